package service

import (
	"errors"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tallygate/tallygate/meter"
)

// TestInBackground: the work has a low priority, and the scheduler processors
// for it, and both end with it.
func TestInBackground(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	failed := errors.New("failed")
	err := inBackground(func() error {
		if n := runtime.GOMAXPROCS(0); n != before+forBackground {
			t.Errorf("%d processors, want %d", n, before+forBackground)
		}
		if nice := niceness(t); nice != low {
			t.Errorf("nice %d, want %d", nice, low)
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("error %v, want that of the work", err)
	}
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("%d processors afterwards, want %d", n, before)
	}
	for range 100 { // on whichever threads there are
		done := make(chan int)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			done <- niceness(t)
		}()
		if nice := <-done; nice != niceness(t) || nice >= low {
			t.Fatalf("a thread has nice %d afterwards", nice)
		}
	}
}

// TestNoMoreProcessorsForTwo: a work that waits for another has no use for more.
func TestNoMoreProcessorsForTwo(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	err := inBackground(func() error {
		return inBackground(func() error {
			if n := runtime.GOMAXPROCS(0); n != before+forBackground {
				t.Errorf("%d processors, want %d", n, before+forBackground)
			}
			return nil
		})
	})
	if n := runtime.GOMAXPROCS(0); err != nil || n != before {
		t.Errorf("%d processors afterwards, want %d; %v", n, before, err)
	}
}

// TestMainThreadKeepsItsPriority: it does not end with the work, and no plain user may
// raise its priority again.
func TestMainThreadKeepsItsPriority(t *testing.T) {
	for range 300 { // on whichever threads there are
		if err := inBackground(func() error {
			if onMainThread() {
				t.Error("the work is on the main thread")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if is, err := syscall.Getpriority(syscall.PRIO_PROCESS, syscall.Getpid()); err != nil || 20-is == low {
		t.Errorf("the main thread has nice %d, %v", 20-is, err)
	}
}

// niceness of the thread that the caller is on.
func niceness(t testing.TB) int {
	is, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		t.Error(err)
	}
	return 20 - is // the system call's result is never negative
}

// TestSettlesInBackground: what may take long when a period has ended does not compete
// with calls.
func TestSettlesInBackground(t *testing.T) {
	c := testConfig(t, t.TempDir())
	c.SealWait = 30 * time.Second
	s := open(t, c)
	k := customer(t, s, "acme", "10.00")
	number, _ := s.OperationNumber("recognition/image-tagging")
	held, v := s.meter.Admit(meter.Call{Key: k, Operation: number})
	if v.Reason != 0 {
		t.Fatal(v.Reason)
	}
	post := sync.OnceFunc(func() { s.meter.Post(&held) })
	t.Cleanup(post) // or a failing test would not end
	before := runtime.GOMAXPROCS(0)
	done := make(chan error, 1)
	go func() { done <- s.Advance(t.Context(), s.Now().Add(time.Hour)) }()
	until(t, "a settlement that waits for a call has no processor of its own", func() bool { return runtime.GOMAXPROCS(0) > before })
	post()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("%d processors after the settlement, want %d", n, before)
	}
}
