package meter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

// TestNoCountersDenied: where a period's counters cannot be made, calls are
// refused, and run again as soon as they can.
func TestNoCountersDenied(t *testing.T) {
	f := newFailing(t)
	f.breakDisk()
	if v := f.try(); v.Reason != account.MeteringUnavailable || !v.Refused() {
		t.Fatalf("verdict %+v", v)
	}
	if f.m.Failing() == nil || f.m.Unmetered() != 0 {
		t.Errorf("failing: %v; %d calls ran unmetered", f.m.Failing(), f.m.Unmetered())
	}
	f.mendDisk()
	f.recovers()
}

// TestNoCountersAllowed: calls that may run do, and each is recorded; those that
// may not are refused for their own reason, and images are not let through.
func TestNoCountersAllowed(t *testing.T) {
	f := newFailing(t)
	f.m.LetThrough(true)
	f.m.Load(View{Number: 2, InArrears: true})
	f.m.AddKey(Secret, [32]byte{2}, 2, "")
	f.breakDisk()
	for range 3 {
		if v := f.try(); !v.Unmetered || v.Refused() {
			t.Fatalf("verdict %+v", v)
		}
	}
	if _, v := f.m.Admit(Call{Key: f.key(2), Operation: 1}); v.Reason != account.InArrears || !v.Refused() {
		t.Errorf("an account in arrears: %+v", v)
	}
	if v := f.m.Refuse(Call{}, account.Unauthenticated); !v.Refused() {
		t.Errorf("no key: %+v", v)
	}
	if f.m.Unmetered() != 3 || len(f.told) != 3 || f.told[0].Account != 1 || f.told[0].Kind != account.PayPerUse {
		t.Errorf("%d unmetered, told of %v", f.m.Unmetered(), f.told)
	}
	f.mendDisk()
	if more := f.recovers(); f.m.Unmetered() != 3+more {
		t.Errorf("%d unmetered, %d more before it recovered", f.m.Unmetered(), more)
	}
}

// TestCountsThatDoNotReachTheDisk are a failure, too.
func TestCountsThatDoNotReachTheDisk(t *testing.T) {
	f := newFailing(t)
	why := errors.New("they do not")
	f.m.stale.Store(&why)
	if v := f.try(); v.Reason != account.MeteringUnavailable || !v.Refused() {
		t.Errorf("denied: %+v", v)
	}
	f.m.LetThrough(true)
	if v := f.try(); !v.Unmetered || v.Refused() {
		t.Errorf("allowed: %+v", v)
	}
	f.recovers() // the sync that watches is well
}

// TestRoomIsMade for the counters of a period where the disk lacks it.
func TestRoomIsMade(t *testing.T) {
	f := newFailing(t)
	f.breakDisk()
	if v := f.try(); !v.Refused() { // not for want of room: nothing is asked for
		t.Fatalf("%+v", v)
	}
	if f.asked != 0 {
		t.Errorf("asked for room %d times", f.asked)
	}
}

// failing is a meter whose folder can go away.
type failing struct {
	t     *testing.T
	m     *Meter
	clock *TestClock
	dir   string
	mu    sync.Mutex
	told  []account.Line
	asked int
}

func newFailing(t *testing.T) *failing {
	f := &failing{t: t, dir: filepath.Join(t.TempDir(), "tally"), clock: NewTestClock(time.Unix(7200, 0))}
	f.mendDisk()
	f.m = Open(Config{Clock: f.clock, Dir: f.dir, Node: "n",
		Period:    func(unix int64) (int64, int64, uint32) { return unix - unix%3600, 3600, 197001 },
		MakeRoom:  func() bool { f.asked++; return false },
		Unmetered: func(l account.Line, _ error) { f.mu.Lock(); defer f.mu.Unlock(); f.told = append(f.told, l) }})
	f.m.SetCatalogs([]*Catalog{NewCatalog(0, []Operation{{Number: 1, Name: "a/b"}})})
	f.m.Load(View{Number: 1, PayPerUse: true})
	f.m.AddKey(Secret, [32]byte{1}, 1, "")
	t.Cleanup(func() {
		if err := f.m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if v := f.try(); v.Reason != 0 {
		t.Fatalf("%+v", v)
	}
	return f
}

func (f *failing) mendDisk() {
	f.t.Helper()
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		f.t.Fatal(err)
	}
}

// breakDisk lets the period end, and the folder go in which the next one's
// counters are to be.
func (f *failing) breakDisk() {
	f.t.Helper()
	if err := os.Rename(f.dir, f.dir+fmt.Sprint(f.clock.Now().Event)); err != nil {
		f.t.Fatal(err)
	}
	if err := f.clock.Set(f.clock.Now().Time().Add(time.Hour)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *failing) key(number byte) Key {
	f.t.Helper()
	key, ok := f.m.Identify(Secret, [32]byte{number})
	if !ok {
		f.t.Fatal("no such key")
	}
	return key
}

// try admits a call and counts it where it is to be counted.
func (f *failing) try() Verdict {
	h, v := f.m.Admit(Call{Key: f.key(1), Operation: 1})
	if v.Reason == 0 {
		f.m.Post(&h)
	}
	return v
}

// recovers waits until calls are counted again, and returns how many ran before.
func (f *failing) recovers() (unmetered uint64) {
	f.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		v := f.try()
		switch {
		case v.Reason == 0 && f.m.Failing() == nil:
			return unmetered
		case v.Unmetered:
			unmetered++
		case time.Now().After(end):
			f.t.Fatalf("calls are not counted again: %+v, %v", v, f.m.Failing())
		}
	}
}
