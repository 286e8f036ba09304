package billing

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// damagedStore says at some time that it is damaged, while what is in memory
// could still be read.
type damagedStore struct {
	ledger.Store
	found atomic.Bool
}

func (d *damagedStore) Err() error {
	if d.found.Load() {
		return ledger.ErrDamaged
	}
	return d.Store.Err()
}

// TestDamageFoundWhileRunning: nothing more comes into the journal by a command,
// a settlement, the passing of time or an image.
func TestDamageFoundWhileRunning(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.createMany(t, 1)
	store := &damagedStore{Store: provenStore{r.store}}
	r.flushLock.Lock()
	r.Store = store
	r.flushLock.Unlock()
	store.found.Store(true)
	start := november.Unix()
	before := r.log.Head()
	_, command := r.Do(Request{Key: "k", Account: "a0", Command: &account.TopUp{Amount: "1.00", Reference: "wire"}})
	for what, err := range map[string]error{
		"command": command,
		"settle":  r.Settle(start, 3600, []account.Count{payPerUse(1, 10)}),
		"reach":   r.Reach(start + 40*24*3600),
		"due":     r.Due(start + 40*24*3600),
	} {
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, ledger.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if r.log.Head() != before {
		t.Error("the journal has more than before")
	}
	store.found.Store(false)
	r.settle(t, start, payPerUse(1, 10))
}
