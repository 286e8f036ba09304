package billing

import (
	"errors"
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
		return provenStore{r.store}.Commit(s)
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
	g.set(provenStore{r.store}.Commit)
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := len(r.blocks.all()); n > 2 {
		t.Errorf("%d blocks stay in memory", n)
	}
	r.survives(t)
}

// TestStartOnAFullDiskWithAPeriod: a period in the journal's tail that concerns more
// blocks than are flushed at once stays in memory, as everything else does.
func TestStartOnAFullDiskWithAPeriod(t *testing.T) {
	few(t, 2)
	keepBlocks = 256
	r := openRig(t, t.TempDir(), november)
	r.createMany(t, 200) // four blocks, more than flushBlocks
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	var counts []account.Count
	for n := range uint32(200) {
		counts = append(counts, payPerUse(n+1, 100))
	}
	g := r.gated()
	g.set(func(ledger.Step) error { return ledger.ErrNoSpace })
	if err := r.Settle(november.Unix(), hour, counts); !errors.Is(err, ledger.ErrNoSpace) {
		t.Fatalf("a settlement on a full disk: %v", err) // it is journalled by then
	}
	r.crash(t)
	r.openFiles(t)
	g = &gate{Store: provenStore{r.store}}
	g.set(func(ledger.Step) error { return ledger.ErrNoSpace })
	config := r.Config
	config.Store, config.Journal = g, r.log
	e, err := Open(config)
	if err != nil {
		t.Fatalf("the start fails: %v", err)
	}
	r.Engine = e
	g.commit.Store(nil)
	r.mended(t)
	r.close(t)
}

// TestCapInDoubt: the block of an account in doubt may leave memory before it is known
// whether its command happened. The cap that was told of is taken back all the same
// (D30).
func TestCapInDoubtOfAnEvictedBlock(t *testing.T) {
	quickly(t)
	few(t, 1)
	keepBlocks = 0
	told := newListener()
	r := &rig{dir: t.TempDir(), config: book, now: november.UnixNano(), watcher: told}
	r.open(t)
	defer r.close(t)
	r.must(t, "a", &account.CreateAccount{CreditLimit: "100.00"})
	r.must(t, "a", &account.Subscribe{Instance: "i", Row: "large", Months: 1})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.disk.lasts.Store(true)
	r.disk.fail("write")
	if _, err := r.Do(Request{Account: "a", Command: &account.ChangeSubscription{Instance: "i", Row: "small"}}); err == nil {
		t.Fatal("accepted")
	}
	told.mu.Lock()
	told.accounts[1] = nil
	told.mu.Unlock()
	r.disk.place.Store(nil)
	r.mended(t)
	told.mu.Lock()
	defer told.mu.Unlock()
	if told.accounts[1] == nil {
		t.Errorf("the watcher keeps the cap of a change that never happened")
	}
}
