package billing

import (
	"crypto/sha256"
	"iter"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// scratch is a ledger in memory, into which some blocks are folded from journal
// and sealed files alone, to be held against the real one. It has the blocks and
// the images whole, and of what only grows the bytes, or their hash where there
// is much of it.
type scratch struct {
	whole    bool // keep bytes, not hashes
	meta     ledger.Meta
	blocks   map[uint32]ledger.Block
	numbers  map[string]uint32
	products map[ledger.ProductKey]ledger.Product
	pictures map[ledger.PictureKey]bool
	grown    map[entry]string // encoded, or its SHA-256
	trials   map[string]ledger.Trial
	answers  map[[32]byte][32]byte // by key, the SHA-256 of what is stored
	keys     map[[32]byte]uint32   // 0 = taken away
	books    []ledger.PriceBook
}

// entry names what only grows: an hour of a block, a movement, event or
// statement of an account.
type entry struct {
	kind byte // h, m, e, s
	of   uint32
	at   int64
}

func newScratch(whole bool) *scratch {
	return &scratch{whole: whole, blocks: map[uint32]ledger.Block{}, numbers: map[string]uint32{}, products: map[ledger.ProductKey]ledger.Product{},
		pictures: map[ledger.PictureKey]bool{}, grown: map[entry]string{}, trials: map[string]ledger.Trial{},
		answers: map[[32]byte][32]byte{}, keys: map[[32]byte]uint32{}}
}

func (s *scratch) keep(e entry, encoded []byte) { s.grown[e] = s.digest(encoded) }

func (s *scratch) digest(encoded []byte) string {
	if s.whole {
		return string(encoded)
	}
	hash := sha256.Sum256(encoded)
	return string(hash[:])
}

// Commit implements ledger.Store.
func (s *scratch) Commit(step ledger.Step) error {
	if step.Meta != nil {
		s.meta = *step.Meta
	}
	for _, b := range step.Blocks {
		s.blocks[b.Number] = b
	}
	for _, h := range step.Hours {
		s.keep(entry{'h', h.Block, h.Start}, ledger.AppendHour(nil, h))
	}
	for _, m := range step.Movements {
		s.keep(entry{'m', m.Account, int64(m.Number)}, ledger.AppendMovement(nil, m))
	}
	for _, v := range step.Events {
		s.keep(entry{'e', v.Account, int64(v.Number)}, ledger.AppendEvent(nil, v))
	}
	for _, r := range step.Statements {
		s.keep(entry{'s', r.Account, int64(r.Month)}, ledger.AppendStatement(nil, r))
	}
	for _, a := range step.Answers {
		s.answers[a.Key] = sha256.Sum256(ledger.AppendAnswer(nil, a))
	}
	s.books, s.keys = append(s.books, step.Books...), merge(s.keys, step.Keys)
	s.numbers, s.trials = merge(s.numbers, step.Accounts), merge(s.trials, step.Trials)
	s.products, s.pictures = merge(s.products, step.Products), merge(s.pictures, step.Pictures)
	return nil
}

// Err implements ledger.Store.
func (s *scratch) Err() error { return nil }

// Meta implements ledger.Store.
func (s *scratch) Meta() (ledger.Meta, error) {
	if s.meta.ID == "" {
		return s.meta, ledger.ErrNotFound
	}
	return s.meta, nil
}

// Block implements ledger.Store.
func (s *scratch) Block(number uint32) (ledger.Block, error) {
	if b, ok := s.blocks[number]; ok {
		return b, nil
	}
	return ledger.Block{Number: number}, nil
}

// Number implements ledger.Store.
func (s *scratch) Number(id string) (uint32, error) {
	if n, ok := s.numbers[id]; ok {
		return n, nil
	}
	return 0, ledger.ErrNotFound
}

// Trial implements ledger.Store.
func (s *scratch) Trial(customer string) (ledger.Trial, error) {
	if t, ok := s.trials[customer]; ok {
		return t, nil
	}
	return ledger.Trial{}, ledger.ErrNotFound
}

// Product implements ledger.Store.
func (s *scratch) Product(k ledger.ProductKey) (ledger.Product, error) { return s.products[k], nil }

// HasPicture implements ledger.Store.
func (s *scratch) HasPicture(k ledger.PictureKey) (bool, error) { return s.pictures[k], nil }

// KeyOwner implements ledger.Store: who may have a key was judged when the
// command was accepted.
func (s *scratch) KeyOwner([32]byte) (uint32, error) { return 0, ledger.ErrNotFound }

// Answer implements ledger.Store: so was whether a command was a repetition.
func (s *scratch) Answer([32]byte) (ledger.Answer, error) {
	return ledger.Answer{}, ledger.ErrNotFound
}

// PriceBooks implements ledger.Store.
func (s *scratch) PriceBooks() ([]ledger.PriceBook, error) { return s.books, nil }

// Blocks implements ledger.Store. A fold begins with none.
func (s *scratch) Blocks() iter.Seq2[ledger.Block, error] { return none[ledger.Block]() }
func (s *scratch) BlocksBetween(uint32, uint32, *ledger.Slabs) iter.Seq2[ledger.Block, error] {
	return none[ledger.Block]()
}

// Hours, Movements, Events, Statements and Pictures implement ledger.Store: a
// fold reads none of them.
func (s *scratch) Hours(uint32, int64, int64) iter.Seq2[ledger.BlockHour, error] {
	return none[ledger.BlockHour]()
}
func (s *scratch) Movements(uint32, uint32) iter.Seq2[account.Movement, error] {
	return none[account.Movement]()
}
func (s *scratch) Events(uint32, uint32) iter.Seq2[account.Event, error] {
	return none[account.Event]()
}
func (s *scratch) Statements(uint32, uint32) iter.Seq2[account.StatementRecord, error] {
	return none[account.StatementRecord]()
}
func (s *scratch) Pictures(uint32, uint32) iter.Seq2[account.Image, error] {
	return none[account.Image]()
}

func none[T any]() iter.Seq2[T, error] { return func(func(T, error) bool) {} }

// Close implements ledger.Store.
func (s *scratch) Close() error { return nil }
