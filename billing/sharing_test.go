package billing

import (
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// sharedBlocks is how many blocks have accounts: so many that what the last ones are
// read into was others' before.
const sharedBlocks = 7

// withManyBlocks returns the ids of an account of each.
func withManyBlocks(t *testing.T, r *rig) (ids []string) {
	t.Helper()
	few(t, 1)
	keepBlocks = 0
	r.createMany(t, sharedBlocks*ledger.BlockSize-1)
	for n := range uint32(sharedBlocks) {
		ids = append(ids, r.numbered(t, n*ledger.BlockSize+1))
	}
	return ids
}

// settleAll settles an hour of those accounts, whose blocks are not in memory and are
// read and dropped one after the other.
func settleAll(t *testing.T, r *rig, start int64) {
	t.Helper()
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	var counts []account.Count
	for n := range uint32(sharedBlocks) {
		counts = append(counts, payPerUse(n*ledger.BlockSize+1, 200))
	}
	r.settle(t, start, counts...)
}

// usedAgain demands that memory was used by one block after the other.
func (r *rig) usedAgain(t *testing.T) {
	t.Helper()
	if r.slabs == nil {
		t.Error("the memory of what was read is not used again")
	}
}

// TestBlocksOfAnHourShareMemory one after the other, where nobody has seen them.
func TestBlocksOfAnHourShareMemory(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer r.close(t)
	withManyBlocks(t, r)
	settleAll(t, r, november.Unix())
	r.usedAgain(t)
}

// TestLastBlocksOfAnHourHaveMemoryOfTheirOwn: they stay, and are not to keep that of
// all the others.
func TestLastBlocksOfAnHourHaveMemoryOfTheirOwn(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer r.close(t)
	withManyBlocks(t, r)
	flushBlocks = 2
	settleAll(t, r, november.Unix())
	if b := r.blocks.blocks[sharedBlocks-1]; b == nil || r.slabs == nil || b.lent {
		t.Errorf("the last block is in memory: %v, memory to be used again: %v", b != nil, r.slabs != nil)
	}
}

// TestAStartKeepsNoMemory of the many blocks that it folded, and rests for nobody.
func TestAStartKeepsNoMemory(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	withManyBlocks(t, r)
	r.close(t)
	r.open(t)
	defer func() { r.close(t) }()
	r.appendPeriod(t, november.Unix(), payPerUse(1, 100), payPerUse(ledger.BlockSize+1, 100))
	r.close(t)
	r.open(t)
	if b := r.account(t, r.numbered(t, 1)).Balance; b == 0 {
		t.Fatal("nothing was folded")
	}
	if r.slabs != nil || r.pace.rests {
		t.Errorf("memory is kept: %v, it rested: %v", r.slabs != nil, r.pace.rests)
	}
}

// TestBlocksInUseAreNotDropped: their memory is not used again.
func TestBlocksInUseAreNotDropped(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer r.close(t)
	const number = 5
	drop := func() bool { return r.blocks.drop(number, number) }
	b := r.blocks.hold(number)
	if drop() {
		t.Error("it was in use")
	}
	b.dirty = true
	r.blocks.leave(b)
	if drop() {
		t.Error("the ledger has not got all of it")
	}
	if b.dirty = false; !drop() || r.blocks.blocks[number] != nil {
		t.Error("it was idle, and is not dropped")
	}
}

// keeper is a watcher that keeps the accounts that it is told of, as they were.
type keeper struct {
	*listener
	changed, happened kept
}

type kept struct{ accounts, were []*account.Account }

func (k *kept) keep(a *account.Account) {
	k.accounts, k.were = append(k.accounts, a), append(k.were, a.Clone())
}

func (k *keeper) AccountChanged(a *account.Account) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changed.keep(a)
}

func (k *keeper) Happened(a *account.Account, _ account.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.happened.keep(a)
}

func (k *kept) check(t *testing.T, want int) {
	t.Helper()
	if len(k.accounts) != want || !reflect.DeepEqual(k.accounts, k.were) {
		t.Errorf("%d accounts were kept, want %d, and they changed", len(k.accounts), want)
	}
}

// TestWatcherKeepsWhatItIsTold: who was told of an account may keep it while the next
// blocks are read.
func TestWatcherKeepsWhatItIsTold(t *testing.T) {
	told := &keeper{listener: newListener()}
	r := &rig{dir: t.TempDir(), config: book, now: november.UnixNano(), watcher: told}
	r.open(t)
	defer r.close(t)
	withManyBlocks(t, r)
	told.changed = kept{}
	settleAll(t, r, november.Unix()) // balances become low, which is an event and changes nothing for calls
	told.changed.check(t, 0)
	told.happened.check(t, sharedBlocks)
	r.usedAgain(t)
	if err := r.SetPolicy(account.Policy{Realtime: true}); err != nil { // it is told of all
		t.Fatal(err)
	}
	told.changed, told.happened = kept{}, kept{}
	settleAll(t, r, november.Unix()+hour)
	told.changed.check(t, sharedBlocks)
	told.happened.check(t, 0)
	r.usedAgain(t)
}

// TestQueriesKeepWhatTheyFound while the next blocks are read.
func TestQueriesKeepWhatTheyFound(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer r.close(t)
	ids := withManyBlocks(t, r)
	var found kept
	g := r.gated()
	g.set(func(s ledger.Step) error {
		if n := slices.IndexFunc(s.Hours, func(h ledger.BlockHour) bool { return len(found.accounts) == int(h.Block) }); n >= 0 {
			found.keep(r.account(t, ids[s.Hours[n].Block])) // of the block that is being committed
		}
		return provenStore{r.store}.Commit(s)
	})
	settleAll(t, r, november.Unix())
	found.check(t, sharedBlocks)
	r.usedAgain(t)
}

// TestNobodySeesAnotherBlock: what is asked for, and what is told, while hours are
// settled stays as it was, and no command is lost, however the blocks' memory is used
// meanwhile.
func TestNobodySeesAnotherBlock(t *testing.T) {
	told := &keeper{listener: newListener()}
	r := &rig{dir: t.TempDir(), config: book, now: november.UnixNano(), watcher: told}
	r.open(t)
	defer func() { r.close(t) }()
	ids := withManyBlocks(t, r)
	flushBlocks = 2
	var found [2]kept
	for hours := range int64(10) {
		var all sync.WaitGroup
		for w := range found {
			all.Go(func() {
				for i := range ids {
					id := ids[(i*3+w)%len(ids)]
					if _, err := r.Do(Request{Account: id, Command: &account.TopUp{Amount: "0.01", Reference: "wire"}}); err != nil {
						t.Error(err)
						return
					}
					a, err := r.Account(id)
					if err != nil || a.ID != id {
						t.Errorf("asked for %s, found %+v, %v", id, a, err)
						return
					}
					found[w].keep(a)
				}
			})
		}
		settleAll(t, r, november.Unix()+hours*hour)
		all.Wait()
	}
	for w := range found {
		found[w].check(t, 10*len(ids))
	}
	told.changed.check(t, len(told.changed.were))
	told.happened.check(t, len(told.happened.were))
	r.survives(t)
	for _, id := range ids {
		if n := r.account(t, id).Movements; n != 20 {
			t.Errorf("%s has %d movements, want the top-ups", id, n)
		}
	}
}
