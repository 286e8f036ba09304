package ledgertest

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"reflect"
	"slices"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// model is what a ledger should hold, in maps.
type model struct {
	meta      *ledger.Meta
	blocks    map[uint32]ledger.Block
	hours     map[uint32]map[int64]ledger.BlockHour
	movements map[uint32]map[uint32]account.Movement
	answers   map[[32]byte]ledger.Answer
	books     map[uint64]ledger.PriceBook
	ids       map[string]uint32
	keys      map[[32]byte]uint32 // 0 = taken away
	more
}

// more is what a model holds of accounts besides movements.
type more struct {
	events     map[uint32]map[uint32]account.Event
	statements map[uint32]map[uint32]account.StatementRecord
	trials     map[string]ledger.Trial
	products   map[ledger.ProductKey]ledger.Product
	pictures   map[ledger.PictureKey]bool
}

func newModel() *model {
	return &model{blocks: map[uint32]ledger.Block{}, hours: map[uint32]map[int64]ledger.BlockHour{},
		movements: map[uint32]map[uint32]account.Movement{}, answers: map[[32]byte]ledger.Answer{},
		books: map[uint64]ledger.PriceBook{}, ids: map[string]uint32{}, keys: map[[32]byte]uint32{},
		more: more{events: map[uint32]map[uint32]account.Event{}, statements: map[uint32]map[uint32]account.StatementRecord{},
			trials: map[string]ledger.Trial{}, products: map[ledger.ProductKey]ledger.Product{}, pictures: map[ledger.PictureKey]bool{}}}
}

// modelAfter is what a ledger holds after the first n steps of the history.
func modelAfter(n uint64) *model {
	m := newModel()
	for i := uint64(1); i <= n; i++ {
		m.apply(stepOf(i))
	}
	return m
}

// apply takes a step that is not stale.
func (m *model) apply(s ledger.Step) {
	if s.Meta != nil {
		m.meta = s.Meta
	}
	for _, b := range s.Blocks {
		b.TermsStand = false // it is said of a step
		m.blocks[b.Number] = b
	}
	for _, h := range s.Hours {
		if m.hours[h.Block] == nil {
			m.hours[h.Block] = map[int64]ledger.BlockHour{}
		}
		m.hours[h.Block][h.Start] = h
	}
	for _, v := range s.Movements {
		if m.movements[v.Account] == nil {
			m.movements[v.Account] = map[uint32]account.Movement{}
		}
		m.movements[v.Account][v.Number] = v
	}
	for _, a := range s.Answers {
		m.answers[a.Key] = a
	}
	for _, b := range s.Books {
		m.books[b.Input] = b
	}
	maps.Copy(m.ids, s.Accounts)
	maps.Copy(m.keys, s.Keys)
	m.more.apply(s)
}

// compare reads everything there is and returns the first difference.
func (m *model) compare(s ledger.Store) error {
	meta, err := s.Meta()
	if m.meta == nil {
		if !errors.Is(err, ledger.ErrNotFound) {
			return fmt.Errorf("meta of a new ledger: %+v, %v", meta, err)
		}
	} else if err := same("meta", *m.meta, meta, err); err != nil {
		return err
	}
	if err := sameSeq("blocks", sorted(m.blocks), kept(s.Blocks())); err != nil {
		return err
	}
	for number, want := range m.blocks {
		got, err := s.Block(number)
		if err := same("block", want, got, err); err != nil {
			return err
		}
	}
	for block, hours := range m.hours {
		if err := sameSeq("hours", sorted(hours), s.Hours(block, math.MinInt64, math.MaxInt64)); err != nil {
			return err
		}
	}
	for number, movements := range m.movements {
		if err := sameSeq("movements", sorted(movements), s.Movements(number, 0)); err != nil {
			return err
		}
	}
	if err := m.compareLookups(s); err != nil {
		return err
	}
	return m.more.compare(s)
}

func (m *model) compareLookups(s ledger.Store) error {
	books, err := s.PriceBooks()
	if err := same("price books", sorted(m.books), books, err); err != nil {
		return err
	}
	for key, want := range m.answers {
		got, err := s.Answer(key)
		if err := same("answer", want, got, err); err != nil {
			return err
		}
	}
	for id, want := range m.ids {
		got, err := s.Number(id)
		if err := same("number of "+id, want, got, err); err != nil {
			return err
		}
	}
	for hash, want := range m.keys {
		got, err := s.KeyOwner(hash)
		if want == 0 && errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err := same("key owner", want, got, err); err != nil {
			return err
		}
	}
	return nil
}

func same(what string, want, got any, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%s: got %+v, want %+v", what, got, want)
	}
	return nil
}

func sameSeq[T any](what string, want []T, seq iter.Seq2[T, error]) error {
	got, err := collect(seq)
	return same(what, want, got, err)
}

func collect[T any](seq iter.Seq2[T, error]) (all []T, err error) {
	for v, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, nil
}

// kept gives blocks that stay valid after the next.
func kept(blocks iter.Seq2[ledger.Block, error]) iter.Seq2[ledger.Block, error] {
	return func(yield func(ledger.Block, error) bool) {
		for b, err := range blocks {
			b.Accounts = slices.Clone(b.Accounts)
			for i, a := range b.Accounts {
				b.Accounts[i] = a.Clone()
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

func sorted[K cmp.Ordered, V any](m map[K]V) (values []V) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		values = append(values, m[k])
	}
	return values
}
