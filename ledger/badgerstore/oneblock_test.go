package badgerstore

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/rating/money"
)

// wholeBlocks rewrites all blocks as one value each, as the release before did.
func wholeBlocks(t *testing.T, s *Store) {
	t.Helper()
	var all []ledger.Block
	for b, err := range s.Blocks() {
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range b.Accounts {
			b.Accounts[i] = a.Clone()
		}
		b.Accounts = slices.Clone(b.Accounts)
		all = append(all, b)
	}
	err := s.db.Update(func(txn *badger.Txn) error {
		w := writer{txn: txn}
		for _, b := range all {
			w.set(blockKey(b.Number), ledger.AppendBlock(w.b, b))
			w.delete(termsKey(b.Number))
		}
		return w.err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestBlocksOfOneValue: a ledger of the release before is read, and its blocks
// are written as two values with the next commit of each.
func TestBlocksOfOneValue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir})
	for n := uint32(1); n <= 20; n++ {
		if err := s.Commit(numberedStep(n)); err != nil {
			t.Fatal(err)
		}
	}
	wholeBlocks(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for n := uint32(20); n < 25; n++ { // block by block
		s := mustOpen(t, Config{Dir: dir})
		if got, err := holdsSteps(s); got != n || err != nil {
			t.Fatalf("step %d of %d, %v", got, n, err)
		}
		if err := s.Commit(numberedStep(n - 3)); !errors.Is(err, ledger.ErrStale) {
			t.Fatalf("step %d over %d: %v", n-3, n, err)
		}
		if err := errors.Join(s.Commit(numberedStep(n+1)), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTermsStay: a commit that moves only the state of a block leaves its terms
// where they are.
func TestTermsStay(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Dir: t.TempDir()})
	version := func(key []byte) (version uint64) {
		err := s.db.View(func(txn *badger.Txn) error {
			item, err := txn.Get(key)
			if err == nil {
				version = item.Version()
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return version
	}
	step := numberedStep(3)
	var terms []uint64
	for folded := range uint64(3) {
		step.Blocks[0].Folded += folded
		step.Blocks[0].Accounts[0].Balance--
		step.Blocks[0].Accounts[0].NoPayPerUse = true
		if folded == 2 {
			step.Blocks[0].Accounts[0].CreditLimit++
		}
		if err := s.Commit(step); err != nil {
			t.Fatal(err)
		}
		terms = append(terms, version(termsKey(0)))
		if b, err := s.Block(0); err != nil || b.Accounts[0].Balance != step.Blocks[0].Accounts[0].Balance {
			t.Fatalf("%+v, %v", b, err)
		}
	}
	if terms[0] != terms[1] || terms[1] == terms[2] {
		t.Fatalf("terms were written by commits %d", terms)
	}
}

// TestTermsStandUnseen: what a step says of terms that have no value of their own is
// passed over, and what it says of others is not looked at.
func TestTermsStandUnseen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir})
	block := func(folded uint64) ledger.Block {
		return ledger.Block{Number: 3, Folded: folded, TermsStand: true, Accounts: []*account.Account{
			{Number: 200, ID: "a", Customer: "a", CreditLimit: 7, Balance: money.Amount(folded)}}}
	}
	commit := func(b ledger.Block) {
		t.Helper()
		if err := s.Commit(ledger.Step{Blocks: []ledger.Block{b}}); err != nil {
			t.Fatal(err)
		}
		got, err := s.Block(3)
		if b.TermsStand, b.Accounts[0].CreditLimit = false, 7; err != nil || !reflect.DeepEqual(got, b) {
			t.Fatalf("%+v, %v instead of %+v", got, err, b)
		}
	}
	commit(block(1))
	wholeBlocks(t, s)
	for folded := uint64(2); folded < 5; folded++ {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, Config{Dir: dir})
		b := block(folded)
		if folded > 2 {
			b.Accounts[0].CreditLimit = 9 // which is not so, and nobody may say
		}
		commit(b)
	}
}

// TestTermsStandAfterAChange: a state that is written alone names the terms that were
// written last, by a commit before or earlier in the same step.
func TestTermsStandAfterAChange(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Dir: t.TempDir()})
	folded := uint64(0)
	block := func(limit money.Amount, stand bool) ledger.Block {
		folded++
		return ledger.Block{Number: 3, Folded: folded, TermsStand: stand, Accounts: []*account.Account{
			{Number: 200, ID: "a", Customer: "a", CreditLimit: limit, Balance: money.Amount(folded)}}}
	}
	for n, step := range [][]ledger.Block{
		{block(1, false)}, {block(1, true)}, // the first ones
		{block(2, false)}, {block(2, true)}, {block(2, true)}, // others, by the same process
		{block(3, false), block(3, true)}, {block(3, true)}, // and in one step
		{block(3, true), block(4, false)}, {block(4, true)},
	} {
		if err := s.Commit(ledger.Step{Blocks: step}); err != nil {
			t.Fatal(err)
		}
		want := step[len(step)-1]
		want.TermsStand = false
		if got, err := s.Block(3); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("commit %d: %+v, %v instead of %+v", n, got, err, want)
		}
	}
}
