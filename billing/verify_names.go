package billing

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tallygate/tallygate/ledger"
)

// names holds against the ledger what is found by name, of the accounts that were
// made again, and what concerns all of them. Same is false where the ledger has
// gone on meanwhile and something differs: then it may be for that.
func (f *refold) names(only uint32, found *[]Difference) (same bool, err error) {
	d := nameDiffer{refold: f, only: only}
	for _, compare := range []func() error{d.accounts, d.keys, d.answers, d.trials, d.books, d.meta} {
		if err := compare(); err != nil {
			return false, err
		}
	}
	if len(d.found) > 0 && f.live.Journal.Head().Seq >= f.next {
		return false, nil
	}
	*found = append(*found, d.found...)
	return true, nil
}

type nameDiffer struct {
	*refold
	only  uint32
	found []Difference
}

// asked reports whether an account is one that was made again, and asked for.
func (d *nameDiffer) asked(number uint32) bool {
	return d.within(ledger.BlockOf(number)) && (d.only == 0 || d.only == number)
}

func (d *nameDiffer) add(number uint32, what string, have, want any) {
	id := "(all)"
	if number != 0 {
		id = fmt.Sprintf("account number %d", number)
		for _, a := range d.store.blocks[ledger.BlockOf(number)].Accounts {
			if a.Number == number {
				id = a.ID
			}
		}
	}
	d.found = append(d.found, Difference{Account: id, What: what, Ledger: shown(have), Recomputed: shown(want)})
}

func (d *nameDiffer) accounts() error {
	for id, want := range d.store.numbers {
		if !d.asked(want) {
			continue
		}
		have, err := d.live.Store.Number(id)
		if err := unlessNotFound(err); err != nil {
			return err
		}
		if have != want {
			d.add(want, "number of account "+id, have, want)
		}
	}
	return nil
}

// keys: one that was taken away may have gone to an account of another walk.
func (d *nameDiffer) keys() error {
	for hash, want := range d.store.keys {
		have, err := d.live.Store.KeyOwner(hash)
		if err := unlessNotFound(err); err != nil {
			return err
		}
		if have == want || want == 0 && !d.within(ledger.BlockOf(have)) {
			continue
		}
		if of := max(want, have); d.asked(of) {
			d.add(of, fmt.Sprintf("owner of the key %x", hash[:6]), have, want)
		}
	}
	return nil
}

// answers are of whole blocks, also where one account is asked for: nothing in
// them names it.
func (d *nameDiffer) answers() error {
	for key, want := range d.store.answers {
		have, err := d.live.Store.Answer(key)
		switch {
		case errors.Is(err, ledger.ErrNotFound):
			d.add(0, fmt.Sprintf("answer to the idempotency key %x", key[:6]), nil, "an answer")
		case err != nil:
			return err
		case sha256.Sum256(ledger.AppendAnswer(nil, have)) != want:
			d.add(0, fmt.Sprintf("answer to the idempotency key %x", key[:6]), string(have.JSON), "another one")
		}
	}
	return nil
}

func (d *nameDiffer) trials() error {
	for customer, want := range d.store.trials {
		have, err := d.live.Store.Trial(customer)
		if err := unlessNotFound(err); err != nil {
			return err
		}
		if have != want && d.asked(want.Account) {
			d.add(want.Account, "trial of customer "+customer, have, want)
		}
	}
	return nil
}

func (d *nameDiffer) books() error {
	have, err := d.live.Store.PriceBooks()
	if err != nil {
		return err
	}
	encoded := func(b ledger.PriceBook) []byte { return ledger.AppendBook(nil, b) }
	stored := map[uint64]ledger.PriceBook{}
	for _, b := range have {
		stored[b.Input] = b
	}
	for _, want := range d.store.books {
		b, ok := stored[want.Input]
		delete(stored, want.Input)
		if !ok || !bytes.Equal(encoded(b), encoded(want)) {
			d.add(0, fmt.Sprintf("price book of record %d", want.Input), string(b.Source), string(want.Source))
		}
	}
	for input, b := range stored {
		if input < d.next { // a later one came meanwhile
			d.add(0, fmt.Sprintf("price book of record %d", input), string(b.Source), nil)
		}
	}
	return nil
}

// meta compares where both stand at the same record; else what is fixed. A number
// that was given to an account which was not opened after all is used up.
func (d *nameDiffer) meta() error {
	have, err := d.live.Store.Meta()
	if err != nil {
		return err
	}
	want := d.store.meta
	want.Accounts = max(want.Accounts, have.Accounts)
	if have.Folded != want.Folded {
		want = have
		want.ID, want.Currency, want.Zone, want.Test, want.Created =
			d.store.meta.ID, d.store.meta.Currency, d.store.meta.Zone, d.store.meta.Test, d.store.meta.Created
	}
	if !bytes.Equal(ledger.AppendMeta(nil, have), ledger.AppendMeta(nil, want)) {
		d.add(0, "what concerns the whole ledger", have, want)
	}
	return nil
}
