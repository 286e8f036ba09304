package badgerstore

import (
	"errors"
	"os"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// TestTermsOfAStoreThatForgot: a store that comes back without a commit that it had
// acknowledged must not take a state for the terms of before: it would be whole,
// newer than the journal's command, and wrong for ever.
func TestTermsOfAStoreThatForgot(t *testing.T) {
	t.Parallel()
	dir, old := t.TempDir(), t.TempDir()
	block := func(folded uint64, limit int64, stand bool, accounts uint32) ledger.Step {
		b := ledger.Block{Number: 3, Folded: folded, TermsStand: stand}
		for n := range accounts {
			b.Accounts = append(b.Accounts, &account.Account{Number: 200 + n, ID: "a", Customer: "a", LowBalance: 0, Created: limit})
		}
		return ledger.Step{Blocks: []ledger.Block{b}}
	}
	for _, accounts := range []uint32{1, 2} {
		for _, d := range []string{dir, old} {
			if err := os.RemoveAll(d); err != nil {
				t.Fatal(err)
			}
		}
		s := mustOpen(t, Config{Dir: dir})
		if err := s.Commit(block(1, 7, false, 1)); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(old, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, Config{Dir: dir})
		if err := s.Commit(block(2, 9, false, accounts)); err != nil { // acknowledged
			t.Fatal(err)
		}
		s.commit = func(*badger.Txn) error { return errors.New("input/output error") }
		if err := s.Commit(block(3, 9, true, accounts)); !errors.Is(err, ledger.ErrUnknownOutcome) {
			t.Fatal(err)
		}
		s.commit = commit
		if err := s.db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil { // the disk has lost the acknowledged one
			t.Fatal(err)
		}
		if err := os.CopyFS(dir, os.DirFS(old)); err != nil {
			t.Fatal(err)
		}
		if err := s.Reopen(); !errors.Is(err, ledger.ErrForgotten) {
			t.Errorf("%d accounts: opened again, or another error: %v", accounts, err)
		}
		if err := s.Commit(block(3, 9, true, accounts)); !errors.Is(err, ledger.ErrUnknownOutcome) {
			t.Errorf("%d accounts: it takes a commit: %v", accounts, err)
		}
	}
}
