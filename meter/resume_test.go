package meter

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

// steppingClock is a wall clock that can be put back.
type steppingClock struct{ event atomic.Int64 }

func (c *steppingClock) Now() Instant { return Instant{Event: c.event.Load(), Mono: c.event.Load()} }

func (c *steppingClock) set(t time.Time) *steppingClock { c.event.Store(t.UnixNano()); return c }

// sealAll seals and drops every ended period, and returns the calls in them.
func sealAll(t *testing.T, m *Meter) (calls uint64) {
	t.Helper()
	for _, e := range m.Ended() {
		if e.Length < 1 || e.Length > 3600 {
			t.Errorf("a period of %d s", e.Length)
		}
		counts, err := m.Seal(t.Context(), e, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range sum(counts) {
			calls += n
		}
		if err := m.Drop(e); err != nil {
			t.Fatal(err)
		}
	}
	return calls
}

// TestResumeWhenTheClockWasPutBack: two periods were open, and by the clock
// neither is over.
func TestResumeWhenTheClockWasPutBack(t *testing.T) {
	dir, clock := t.TempDir(), new(steppingClock).set(testStart.Add(time.Hour-time.Second))
	first := newMeter(t, dir, clock)
	k := keyFor(t, first, View{Number: 1, PayPerUse: true}, "")
	call := func(m *Meter, n int) {
		t.Helper()
		for range n {
			h, v := m.Admit(Call{Key: k, Operation: opTagging})
			if v.Reason != 0 {
				t.Fatal(v.Reason)
			}
			m.Post(&h)
		}
	}
	call(first, 5)
	clock.set(testStart.Add(time.Hour))
	call(first, 7)
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	clock.set(testStart.Add(time.Hour - time.Minute))
	second := newMeter(t, dir, clock)
	k = keyFor(t, second, View{Number: 1, PayPerUse: true}, "")
	resumeAll(t, second, dir)
	call(second, 2)
	if n := sealAll(t, second); n != 5 {
		t.Errorf("the older period counts %d calls, want 5", n)
	}
	clock.set(testStart.Add(2 * time.Hour))
	call(second, 1)
	if n := sealAll(t, second); n != 9 {
		t.Errorf("the younger period counts %d calls, want 9", n)
	}
}

// TestResumeWithLongerPeriods: the flush interval is longer since the restart,
// and the new period may not reach back over the old ones of its hour.
func TestResumeWithLongerPeriods(t *testing.T) {
	dir, clock := t.TempDir(), NewTestClock(testStart.Add(10*time.Minute))
	first := newMeter(t, dir, clock)
	first.config.Period = func(unix int64) (int64, int64, uint32) { return unix - unix%600, 600, 202611 }
	k := keyFor(t, first, View{Number: 1, PayPerUse: true}, "")
	for i := range 2 {
		h, _ := first.Admit(Call{Key: k, Operation: opTagging})
		first.Post(&h)
		if err := clock.Set(testStart.Add(time.Duration(20+5*i) * time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(first.Close(t.Context()), clock.Set(testStart.Add(35*time.Minute))); err != nil {
		t.Fatal(err)
	}
	second := newMeter(t, dir, clock)
	resumeAll(t, second, dir)
	p, err := second.Roll(second.Now().Event)
	if err != nil {
		t.Fatal(err)
	}
	if h := p.file.Header(); h.Start != testStart.Add(30*time.Minute).Unix() || h.Length != 1800 {
		t.Errorf("the new period begins at %s and takes %d s", time.Unix(h.Start, 0).UTC(), h.Length)
	}
	if n := sealAll(t, second); n != 2 {
		t.Errorf("%d calls sealed, want 2", n)
	}
}

// TestCutWhenTheClockWasPutBack: the period began in what the clock calls the
// future.
func TestCutWhenTheClockWasPutBack(t *testing.T) {
	clock := new(steppingClock).set(testStart.Add(-time.Second))
	m := newMeter(t, t.TempDir(), clock)
	k := keyFor(t, m, View{Number: 1, PayPerUse: true}, "")
	calls := 0
	call := func() {
		t.Helper()
		h, v := m.Admit(Call{Key: k, Operation: opTagging})
		if v.Reason != 0 {
			t.Fatalf("call %d: %s", calls, v.Reason)
		}
		m.Post(&h)
		calls++
	}
	call()
	clock.set(testStart)
	call()
	clock.set(testStart.Add(-2 * time.Minute))
	cut := m.Cut()
	call()
	clock.set(testStart.Add(-time.Minute))
	call()
	clock.set(time.Unix(cut, 0))
	call()
	clock.set(testStart.Add(time.Hour))
	call()
	if n := sealAll(t, m); n != uint64(calls-1) {
		t.Errorf("%d calls sealed, want %d", n, calls-1)
	}
}

// TestResumeOfMany: every account finds its own counters again, and each takes from its
// own package, whoever recounts it.
func TestResumeOfMany(t *testing.T) {
	const accounts, calls, free = 5 * neighbours, 4, 3
	dir, clock := t.TempDir(), NewTestClock(testStart)
	runs := 0
	run := func(then func(m *Meter)) {
		m := newMeter(t, dir, clock)
		runs++
		keys := make([]Key, accounts)
		for n := range keys {
			keys[n] = keyFor(t, m, View{Number: uint32(n) + 1, Packages: []Package{{Number: 1, Operation: opTagging, Left: 2 * calls,
				Start: at(testStart), End: at(testStart.Add(time.Hour))}}}, "")
		}
		then(m)
		for n := range accounts * calls {
			h, v := m.Admit(Call{Key: keys[n%accounts], Operation: opTagging})
			if v.Reason != 0 {
				t.Fatalf("call %d: %s", n, v.Reason)
			}
			m.Post(&h)
		}
		for n := uint32(1); n <= accounts; n++ {
			used := m.Open(n, 0)[account.Line{Account: n, Operation: opTagging, Kind: account.Package, Ref: 1}]
			if left := m.account(n).findPackage(m.store, 1).Left; used != uint64(runs*calls-free) || left+used != 2*calls {
				t.Fatalf("run %d: account %d has used %d calls of its package, and has %d left", runs, n, used, left)
			}
		}
		if slots := m.current.Load().file.Slots(); slots != 2*accounts {
			t.Fatalf("run %d: %d counters of %d accounts", runs, slots, accounts)
		}
		if err := m.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run(func(*Meter) {})
	run(func(m *Meter) { resumeAll(t, m, dir) })
}

// TestResumeOfALineWithManyCounters: it goes on with the first, on whichever processor.
func TestResumeOfALineWithManyCounters(t *testing.T) {
	dir, clock := t.TempDir(), NewTestClock(testStart)
	l := account.Line{Account: 1, Operation: opLimited, Kind: account.PaymentRequired}
	first, second := newMeter(t, dir, clock), newMeter(t, dir, clock)
	keyFor(t, first, View{Number: 1}, "")
	if _, err := first.Roll(clock.Now().Event); err != nil {
		t.Fatal(err)
	}
	file := first.current.Load().file
	for range 1000 {
		slot, err := file.Slot(l)
		if err != nil {
			t.Fatal(err)
		}
		file.Add(slot)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	keyFor(t, second, View{Number: 1}, "")
	resumeAll(t, second, dir)
	if slot, ok := second.account(1).findCounter(second.store, &l); slot != 0 || !ok || second.Open(1, 0)[l] != 1000 {
		t.Errorf("it goes on with counter %d (%t) at %d", slot, ok, second.Open(1, 0)[l])
	}
}
