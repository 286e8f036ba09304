package billing

import (
	"reflect"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// settleAlone settles an hour of three accounts whose blocks are not in memory and are
// read and dropped one after the other.
func settleAlone(t *testing.T, r *rig) {
	t.Helper()
	few(t, 1)
	keepBlocks = 0
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.settle(t, november.Unix(), payPerUse(1, 200), payPerUse(64, 200), payPerUse(130, 200))
}

// TestBlocksOfAnHourShareMemory one after the other, where nobody has seen them.
func TestBlocksOfAnHourShareMemory(t *testing.T) {
	r, _ := withThreeBlocks(t, november)
	settleAlone(t, r)
	if r.reading == nil {
		t.Error("the memory of what was read is not used again")
	}
}

// TestLastBlocksOfAnHourHaveMemoryOfTheirOwn: they stay, and are not to keep that of
// all the others.
func TestLastBlocksOfAnHourHaveMemoryOfTheirOwn(t *testing.T) {
	r, _ := withThreeBlocks(t, november)
	few(t, 2)
	keepBlocks = 0
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.settle(t, november.Unix(), payPerUse(1, 200), payPerUse(64, 200), payPerUse(130, 200))
	if b := r.blocks.blocks[ledger.BlockOf(130)]; b == nil || r.reading == nil || b.read == r.reading {
		t.Errorf("block %+v, memory to be used again: %v", b, r.reading != nil)
	}
}

// TestWatcherKeepsWhatItIsTold: who was told of an account may keep it while the next
// blocks are read.
func TestWatcherKeepsWhatItIsTold(t *testing.T) {
	told := newListener()
	r := &rig{dir: t.TempDir(), config: book, now: november.UnixNano(), watcher: told}
	r.open(t)
	defer r.close(t)
	if err := r.SetPolicy(account.Policy{Realtime: true}); err != nil { // it is told of all
		t.Fatal(err)
	}
	r.createMany(t, 130)
	settleAlone(t, r)
	for _, n := range []uint32{1, 64, 130} {
		if a, want := told.accounts[n], r.account(t, r.numbered(t, n)); !reflect.DeepEqual(a, want) {
			t.Errorf("account %d is now %+v, want %+v", n, a, want)
		}
	}
}

// TestQueriesKeepWhatTheyFound while the next blocks are read.
func TestQueriesKeepWhatTheyFound(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	g := r.gated()
	var held, was []*account.Account
	g.set(func(s ledger.Step) error {
		if len(s.Hours) > 0 && len(held) < len(ids) {
			a := r.account(t, ids[len(held)]) // of the block that is being committed
			held, was = append(held, a), append(was, a.Clone())
		}
		return r.store.Commit(s)
	})
	settleAlone(t, r)
	if len(held) != len(ids) || !reflect.DeepEqual(held, was) {
		t.Errorf("%d accounts were found, and they changed", len(held))
	}
}
