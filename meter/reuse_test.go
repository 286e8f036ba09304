package meter

import (
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

// TestCountersAreUsedAgain by the next periods.
func TestCountersAreUsedAgain(t *testing.T) {
	const lines = fewCounters + 5
	clock := NewTestClock(testStart)
	m := newMeter(t, t.TempDir(), clock)
	k := keyFor(t, m, View{Number: 1}, "")
	for hour := range time.Duration(5) {
		if err := clock.Set(testStart.Add(hour * time.Hour)); err != nil {
			t.Fatal(err)
		}
		for n := range uint16(lines) {
			if _, v := m.Admit(Call{Key: k, Operation: 90 + n}); v.Reason != account.UnknownOperation {
				t.Fatal(v.Reason)
			}
		}
	}
	if given := m.store.counters.given; given != 3 {
		t.Errorf("5 counters of each of 5 periods take %d pairs, want 3", given)
	}
}

// TestMonthsAreUsedAgain once they are settled.
func TestMonthsAreUsedAgain(t *testing.T) {
	clock := NewTestClock(testStart)
	m, _ := pricedMeter(t, t.TempDir(), clock)
	closeMeter(t, m)
	view := View{Number: 1, PayPerUse: true, Balance: 1_000}
	k := keyFor(t, m, view, "")
	for month := range 5 {
		now := testStart.AddDate(0, month, 0)
		if err := clock.Set(now); err != nil {
			t.Fatal(err)
		}
		h := payg(t, m, k, 0)
		m.Post(&h)
		sealAll(t, m)
		view.Usage = []Usage{{Operation: opPlain, Month: h.period.month, PayPerUse: 1, Successful: 1, Debited: 1}}
		m.Update(view)
		if owed, err := m.Unsettled(1); owed != 0 || err != nil {
			t.Errorf("month %d: %d owed, %v", month, owed, err)
		}
	}
	if given := m.store.charges.given; given != 2 {
		t.Errorf("the charges of 5 months take %d places, want the newest's and the one's before", given)
	}
}

// TestRingsOfAReleasedInstance are the next one's, those of searches as well as
// those of adds, and an add that was admitted to the old one takes nothing back
// from there.
func TestRingsOfAReleasedInstance(t *testing.T) {
	s := newShop(t, 9)
	var held []*Hold
	admit := func() Verdict {
		t.Helper()
		search, v := s.Admit(Call{Key: s.key, Operation: opSearch})
		if v.Reason != 0 {
			t.Fatal(v.Reason)
		}
		h, v := s.Admit(Call{Key: s.key, Operation: opAdd, Images: true})
		if v.Reason != 0 {
			t.Fatal(v.Reason)
		}
		held = append(held, &search, &h)
		return v
	}
	first := admit()
	admit()
	late, v := s.Admit(Call{Key: s.key, Operation: opAdd, Images: true})
	s.view.Instances[0] = Instance{Name: "shop", ID: 4}
	s.Update(s.view)
	admit()
	before := admit()
	if before.Remaining != first.Remaining-1 {
		t.Errorf("room for %d after two calls, want %d", before.Remaining, first.Remaining-1)
	}
	s.Withdraw(&late, &v, account.ImageCapacity)
	if after := admit(); after.Remaining != before.Remaining-1 {
		t.Errorf("room for %d after three calls, want %d", after.Remaining, before.Remaining-1)
	}
	for _, h := range held {
		s.Release(h, account.FailedStatus)
	}
	small, larger := s.store.rings.sizes[0].given, s.store.rings.sizes[1].given
	if small != 2 || larger != 2 || s.store.instanceMore.given != 1 || s.store.instances.given != 1 {
		t.Errorf("%d rings, %d larger ones, %d and %d instances are or were in use, want 2, 2, 1, 1",
			small, larger, s.store.instanceMore.given, s.store.instances.given)
	}
}
