package service

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/badgerstore"
	"github.com/tallygate/tallygate/meter/tally"
)

// TestAccountsThatCannotBeRead: a start that cannot read an account fails, whatever
// becomes of the counters beside it, and leaves them free for the next one.
func TestAccountsThatCannotBeRead(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	customer(t, s, "acme", "1.00")
	advance(t, s, s.Now().Add(time.Minute))
	shut(t, s)
	var whole ledger.Block
	commit := func(change func(*ledger.Block)) {
		t.Helper()
		store, err := badgerstore.Open(badgerstore.Config{Dir: filepath.Join(c.Dir, "badger")})
		if err != nil {
			t.Fatal(err)
		}
		if len(whole.Accounts) == 0 {
			if whole, err = store.Block(0); err != nil {
				t.Fatal(err)
			}
		}
		b := whole
		change(&b)
		if err := errors.Join(store.Commit(ledger.Step{Blocks: []ledger.Block{b}}), store.Close()); err != nil {
			t.Fatal(err)
		}
	}
	commit(func(b *ledger.Block) { // a state of more accounts than its terms have: whole by its check
		b.TermsStand = true
		b.Accounts = append(b.Accounts[:len(b.Accounts):len(b.Accounts)], &account.Account{Number: 63, ID: "x", Customer: "x"})
	})
	for range 2 {
		if s, err := Open(c); !errors.Is(err, ledger.ErrDamaged) || !strings.Contains(err.Error(), "loading the accounts") {
			if err == nil {
				shut(t, s)
			}
			t.Fatalf("opened, or another error: %v", err)
		}
	}
	commit(func(*ledger.Block) {})
	open(t, c)
}

// TestCountersAheadOfTheClock: after a clock was put back, counters of a later period
// that counted anything stay, also where their first lines counted nothing.
func TestCountersAheadOfTheClock(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	customer(t, s, "acme", "1.00")
	start := s.Now().Truncate(time.Hour).Add(3 * time.Hour).Unix()
	shut(t, s)
	f, err := tally.Create(tally.Config{Dir: filepath.Join(c.Dir, "tally")}, tally.Header{Node: c.Node, Start: start, Length: 3600})
	if err != nil {
		t.Fatal(err)
	}
	for calls := range 3 { // none, one, two
		slot, err := f.Slot(account.Line{Account: 1, Operation: uint16(calls + 1), Kind: account.PayPerUse})
		if err != nil {
			t.Fatal(err)
		}
		for range calls {
			f.Add(slot)
		}
	}
	path := f.Path()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, c)
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the counters were removed: %v", err)
	}
}
