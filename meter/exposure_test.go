package meter

import (
	"errors"
	"testing"
	"time"
)

// TestOpenPeriods has every billed call once, merged by line, and nothing of a
// period that was dropped.
func TestOpenPeriods(t *testing.T) {
	clock := new(steppingClock).set(testStart)
	m := newMeter(t, t.TempDir(), clock)
	k := keyFor(t, m, View{Number: 1, PayPerUse: true}, "")
	call := func(n int) {
		t.Helper()
		for range n {
			h, v := m.Admit(Call{Key: k, Operation: opTagging})
			if v.Reason != 0 {
				t.Fatal(v.Reason)
			}
			m.Post(&h)
		}
	}
	total := func() (periods int, calls uint64) {
		for _, p := range m.OpenPeriods() {
			periods++
			for i, c := range p.Counts {
				if calls += c.Calls; i > 0 && p.Counts[i-1].Compare(c.Line) >= 0 {
					t.Error("out of order", p.Counts)
				}
			}
		}
		return periods, calls
	}
	call(5)
	clock.set(testStart.Add(time.Hour))
	call(7)
	if periods, calls := total(); periods != 2 || calls != 12 {
		t.Errorf("%d calls in %d periods", calls, periods)
	}
	sealAll(t, m)
	if periods, calls := total(); periods != 1 || calls != 7 {
		t.Errorf("sealed: %d calls in %d periods", calls, periods)
	}
}

// TestCounting: while a period is open, and for the moment in which the next one
// begins.
func TestCounting(t *testing.T) {
	clock := new(steppingClock).set(testStart)
	m := newMeter(t, t.TempDir(), clock)
	k := keyFor(t, m, View{Number: 1, PayPerUse: true}, "")
	if h, v := m.Admit(Call{Key: k, Operation: opTagging}); v.Reason == 0 {
		m.Post(&h)
	}
	for at, want := range map[time.Duration]error{0: nil, time.Hour + 9*time.Second: nil, time.Hour + 10*time.Second: ErrNoCounters} {
		clock.set(testStart.Truncate(time.Hour).Add(at))
		if err := m.Counting(); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", at, err, want)
		}
	}
	if err := m.Close(t.Context()); err != nil || !errors.Is(m.Counting(), ErrStopping) {
		t.Errorf("closed: %v, %v", err, m.Counting())
	}
}
