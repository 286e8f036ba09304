package billing

import (
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// TestBlockStaysUntilItIsFlushed: while a flush is on its way to the ledger, a block
// that it took must not be read from there again, where it is older: a command
// would be judged by that, and the one before it be lost.
func TestBlockStaysUntilItIsFlushed(t *testing.T) {
	few(t, 1)
	r, ids := withThreeBlocks(t, november)
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.must(t, ids[0], &account.TopUp{Amount: "5.00", Reference: "first"})
	committing, goOn := make(chan struct{}), make(chan struct{})
	g := r.gated()
	g.set(func(s ledger.Step) error {
		if len(s.Blocks) > 0 && committing != nil {
			close(committing)
			committing = nil
			<-goOn
		}
		return r.store.Commit(s)
	})
	taken, flushed := committing, make(chan error)
	go func() { flushed <- r.Flush() }()
	<-taken
	r.must(t, ids[1], &account.TopUp{Amount: "5.00", Reference: "another"}) // with that there are more blocks than are kept
	r.account(t, ids[0])
	r.must(t, ids[0], &account.TopUp{Amount: "2.00", Reference: "second"})
	close(goOn)
	if err := <-flushed; err != nil {
		t.Fatal(err)
	}
	if b := r.account(t, ids[0]).Balance; b != 700 {
		t.Errorf("the balance is %d, want 700", b)
	}
	r.survives(t)
}

// TestBlocksStayWhileTheLedgerDoesNotFollow: the same where a flush fails, for as long
// as that lasts, and not longer.
func TestBlocksStayWhileTheLedgerDoesNotFollow(t *testing.T) {
	few(t, 1)
	r, ids := withThreeBlocks(t, november)
	for _, id := range ids {
		r.must(t, id, &account.TopUp{Amount: "5.00", Reference: "first"})
	}
	g := r.gated()
	g.set(func(ledger.Step) error { return ledger.ErrNoSpace })
	for range 3 {
		if err := r.Flush(); err == nil {
			t.Fatal("the flush did not fail")
		}
		for _, id := range ids {
			if b := r.account(t, id).Balance; b != 500 {
				t.Fatalf("the balance is %d, want 500", b)
			}
		}
	}
	g.set(r.store.Commit)
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := len(r.blocks.all()); n > 2 {
		t.Errorf("%d blocks stay in memory", n)
	}
	r.survives(t)
}
