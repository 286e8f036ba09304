package billing

import (
	"reflect"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// TestSettlementLeavesWhatOthersHold: an account that somebody has asked for stays as
// it was then, whatever is settled afterwards.
func TestSettlementLeavesWhatOthersHold(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	held := r.account(t, ids[0])
	was := held.Clone()
	r.settle(t, november.Unix(), payPerUse(held.Number, 100))
	if !reflect.DeepEqual(held, was) {
		t.Errorf("the settlement changed it to %+v", held)
	}
	if a := r.account(t, ids[0]); a.Balance >= was.Balance {
		t.Errorf("the balance is %d after the settlement, and was %d", a.Balance, was.Balance)
	}
}

// badCount is one that no settlement can take: there is no such package.
func badCount(number uint32) account.Count {
	return account.Count{Line: account.Line{Account: number, Operation: 1, Kind: account.Package, Ref: 9}, Calls: 1}
}

// TestFailedHourChangesNothing: a block that was read for an hour is as it was where
// the hour fails at one of its later accounts.
func TestFailedHourChangesNothing(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	was := r.account(t, ids[0]).Clone()
	r.close(t)
	r.open(t) // nothing is in memory
	r.appendPeriod(t, november.Unix(), payPerUse(was.Number, 100), badCount(was.Number+1))
	if err := r.applyPending(); err == nil {
		t.Fatal("an hour with calls from a package that does not exist is settled")
	}
	r.inputs.Lock()
	r.pending = nil
	r.inputs.Unlock()
	if a := r.account(t, ids[0]); !reflect.DeepEqual(a, was) {
		t.Errorf("the hour that failed left %+v, it was %+v", a, was)
	}
}

// TestFailedHourAfterAnother: what an hour did before the next one failed stays, and
// is told once (the listener sees to that), however often it is tried again.
func TestFailedHourAfterAnother(t *testing.T) {
	few(t, 1)
	told := newListener()
	r := &rig{dir: t.TempDir(), config: book, now: november.UnixNano(), watcher: told}
	r.open(t)
	defer r.close(t)
	r.must(t, "a", &account.CreateAccount{}) // no credit: it falls in arrears
	r.must(t, "b", &account.CreateAccount{CreditLimit: "1.00"})
	r.close(t)
	r.open(t) // nothing is in memory
	r.appendPeriod(t, november.Unix(), payPerUse(1, 100))
	r.appendPeriod(t, november.Unix()+hour, payPerUse(1, 100), badCount(2))
	for range 3 {
		if err := r.applyPending(); err == nil {
			t.Fatal("an hour with calls from a package that does not exist is settled")
		}
	}
	if n := len(told.events[1]); n != 1 {
		t.Errorf("%d events are told, want the arrears only", n)
	}
	r.inputs.Lock()
	r.pending = nil
	r.inputs.Unlock()
	if a := r.account(t, "a"); a.Balance != -151 {
		t.Errorf("the balance is %d, want the first hour's debit", a.Balance)
	}
}
