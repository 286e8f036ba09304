package billing

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// stall is a journal's sync that takes as long as a test wants.
type stall struct {
	armed            atomic.Bool
	entered, release chan struct{}
}

// stalled opens a rig with three accounts of one block, and a stall for its journal.
func stalled(t *testing.T) (*rig, *stall) {
	s := &stall{entered: make(chan struct{}), release: make(chan struct{})}
	r := &rig{dir: t.TempDir(), now: november.UnixNano(), config: book}
	r.faults = func(place string) error {
		if place == "sync" && s.armed.CompareAndSwap(true, false) {
			close(s.entered)
			select {
			case <-s.release:
			case <-time.After(20 * time.Second):
				t.Error("nothing goes on beside a sync")
			}
		}
		return nil
	}
	r.open(t)
	r.createMany(t, 3)
	return r, s
}

// begin does something whose sync stalls.
func (s *stall) begin(t *testing.T, all *sync.WaitGroup, do func()) {
	t.Helper()
	s.armed.Store(true)
	all.Go(do)
	select {
	case <-s.entered:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is recorded")
	}
}

// judging is a store that says when a command that adds a key is judged.
type judging struct {
	ledger.Store
	judged chan struct{}
}

func (j judging) KeyOwner(hash [32]byte) (uint32, error) {
	j.judged <- struct{}{}
	return j.Store.KeyOwner(hash)
}

func newKey(n int) *account.AddKey {
	return &account.AddKey{Key: fmt.Sprint(n), Kind: account.SecretKey, Hash: fmt.Sprintf("%064x", n)}
}

// TestCommandsOfABlockShareASync: those for its other accounts are judged while
// the record of one is on its way to the disk. The next one for its own waits, and
// is judged by what it did.
func TestCommandsOfABlockShareASync(t *testing.T) {
	r, s := stalled(t)
	defer func() { r.close(t) }()
	store := judging{r.store, make(chan struct{}, 10)}
	r.Store = store
	var all sync.WaitGroup
	add := func(id string, n int) func() { return func() { r.must(t, id, newKey(n)) } }
	s.begin(t, &all, add("a0", 1))
	all.Go(add("a0", 2))
	all.Go(add("a1", 3))
	all.Go(add("a2", 4))
	for range 3 {
		select {
		case <-store.judged:
		case <-time.After(10 * time.Second):
			t.Fatal("a command waits for the sync of another account's")
		}
	}
	time.Sleep(20 * time.Millisecond)
	if n := len(store.judged); n > 0 {
		t.Errorf("%d more are judged before their account is known", n)
	}
	if a := r.account(t, "a1"); len(a.Keys) != 0 {
		t.Errorf("a key is seen before its record is durable")
	}
	close(s.release)
	all.Wait()
	if a := r.account(t, "a0"); len(a.Keys) != 2 {
		t.Errorf("keys %v, want both", a.Keys)
	}
	r.survives(t)
}

// TestCommandsAtOnceFitTheirBlock together, not only one by one.
func TestCommandsAtOnceFitTheirBlock(t *testing.T) {
	r, s := stalled(t)
	defer func() { r.close(t) }()
	r.must(t, "a2", newKey(1))
	one, none := sizeOfAccount(r.account(t, "a2")), sizeOfAccount(r.account(t, "a0"))
	room := blockBytes
	blockBytes = 2*one + none // of the two keys that are added at once, one fits
	t.Cleanup(func() { blockBytes = room })
	var all sync.WaitGroup
	s.begin(t, &all, func() { r.must(t, "a0", newKey(2)) })
	r.refused(t, "a1", newKey(3), account.Conflict)
	close(s.release)
	all.Wait()
	r.refused(t, "a1", newKey(3), account.Conflict)
	r.must(t, "a0", &account.RevokeKey{Key: "2"})
	r.must(t, "a1", newKey(3)) // nothing is on its way any more
	r.survives(t)
}

// TestCommandBesideAnImageChange: what a block takes to the ledger in parts, each
// with how far it has folded, has the commands recorded before that, wherever the
// fold is interrupted.
func TestCommandBesideAnImageChange(t *testing.T) {
	small := stepBytes
	stepBytes = 1 // each change of an image is a part
	t.Cleanup(func() { stepBytes = small })
	for commits := range 4 {
		r, s := stalled(t)
		r.must(t, "a1", &account.TopUp{Amount: "9.00", Reference: "r"})
		r.must(t, "a1", &account.Subscribe{Instance: "shop", Row: "small", Months: 1})
		var all sync.WaitGroup
		s.begin(t, &all, func() { r.must(t, "a0", &account.TopUp{Amount: "5.00", Reference: "r"}) })
		all.Go(func() {
			_, _, err := r.ChangeImages(account.ImageChange{Kind: account.ImageAdded, Image: named(account.Image{Account: r.account(t, "a1").Number, Instance: 1}, 1, 1)})
			if err != nil {
				t.Error(err)
			}
		})
		time.Sleep(20 * time.Millisecond)
		close(s.release)
		all.Wait()
		left := commits
		r.gated().set(func(step ledger.Step) error {
			if left--; left < 0 {
				return ledger.ErrNoSpace
			}
			return provenStore{r.store}.Commit(step)
		})
		if err := r.Flush(); err != nil && !errors.Is(err, ledger.ErrNoSpace) {
			t.Fatal(err)
		}
		r.crash(t)
		r.open(t)
		if a := r.account(t, "a0"); a.Balance != 500 {
			t.Errorf("after %d commits the balance is %d, want 500", commits, a.Balance)
		}
		r.close(t)
	}
}

// TestBlockHasFoldedItsNewestCommand, in whatever order commands that were recorded
// together go on.
func TestBlockHasFoldedItsNewestCommand(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.createMany(t, 60)
	for range 10 {
		var all sync.WaitGroup
		for n := range 60 {
			all.Go(func() { r.must(t, fmt.Sprintf("a%d", n), &account.TopUp{Amount: "1.00", Reference: "r"}) })
		}
		all.Wait()
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
		if b, err := r.Store.Block(0); err != nil || b.Folded != r.log.Head().Seq {
			t.Fatalf("the block has folded %d of %d, %v", b.Folded, r.log.Head().Seq, err)
		}
	}
}
