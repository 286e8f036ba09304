package meter

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

// TestPackageEndsAtItsEnd: validity is half-open (D7, D14).
func TestPackageEndsAtItsEnd(t *testing.T) {
	end := testStart.Add(time.Minute)
	for instant, want := range map[time.Time]account.Kind{end.Add(-1): 0, end: account.PaymentRequired} {
		m := newMeter(t, t.TempDir(), NewTestClock(instant))
		k := keyFor(t, m, View{Number: 1, FreeUsed: []FreeUsed{{opTagging, 202611, 3}}, Packages: []Package{
			{Number: 1, Operation: opTagging, Left: 1, Start: at(testStart), End: at(end)}}}, "")
		h, v := m.Admit(Call{Key: k, Operation: opTagging})
		if v.Reason != want {
			t.Errorf("at %s: %s, want %s", instant, v.Reason, want)
		}
		if v.Reason == 0 {
			m.Post(&h)
		}
	}
}

// loose is a clock that can be put back.
type loose struct{ now atomic.Int64 }

func (c *loose) Now() Instant { return Instant{Event: c.now.Load()} }

// TestClockPutBackReopensNothing: a call belongs to the open period, and so does
// its instant (D6).
func TestClockPutBackReopensNothing(t *testing.T) {
	clock, hour := new(loose), testStart.Add(time.Hour)
	clock.now.Store(at(hour))
	m := newMeter(t, t.TempDir(), clock)
	k := keyFor(t, m, View{Number: 1, PayPerUse: true}, "")
	for _, now := range []time.Time{hour, hour.Add(-time.Second)} {
		clock.now.Store(at(now))
		h, v := m.Admit(Call{Key: k, Operation: opTagging})
		if v.Reason != 0 || v.At.Event != at(hour) {
			t.Fatalf("the clock says %s, the call arrived at %s (%s), want %s", now, v.At.Time(), v.Reason, hour)
		}
		m.Post(&h)
	}
	if ended := m.Ended(); len(ended) != 0 {
		t.Errorf("periods ended: %+v", ended)
	}
}
