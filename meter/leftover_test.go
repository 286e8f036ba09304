package meter

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter/tally"
)

// TestCountersThatCouldNotBeRemoved: those that were prepared, and given up while
// the disk failed, do not keep the period from having counters when its time
// comes. Those in which something is counted are left alone.
func TestCountersThatCouldNotBeRemoved(t *testing.T) {
	next := testStart.Add(time.Hour)
	for calls := range 2 {
		dir := t.TempDir()
		f, err := tally.Create(tally.Config{Dir: dir}, tally.Header{Node: "n1", Start: next.Unix(), Length: 3600})
		if err != nil {
			t.Fatal(err)
		}
		slot, err := f.Slot(account.Line{Account: 7, Operation: opTagging, Kind: account.PayPerUse})
		for range calls {
			f.Add(slot)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		m := newMeter(t, dir, NewTestClock(testStart))
		if _, err := m.Roll(at(testStart)); err != nil {
			t.Fatal(err)
		}
		err = m.Prepare()
		if calls == 0 && err == nil {
			_, err = m.Roll(at(next))
		}
		if calls == 0 && err != nil || calls > 0 && !errors.Is(err, fs.ErrExist) {
			t.Errorf("%d calls counted in them: %v", calls, err)
		}
	}
}
