//go:build !race

package tally

import (
	"math"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tallygate/tallygate/account"
)

// Page faults are those of the test's thread. The race detector's own memory costs some.

const slotsOfAPage = 4096 / slotBytes

// TestWarm: slots that are given out after a warming cost no page fault, which the first
// one of a page does elsewhere. Half the pages in one round of many are enough: whatever
// else syncs the file system in the midst of one makes pages unwritable again.
func TestWarm(t *testing.T) {
	f := coldTally(t)
	least := int64(math.MaxInt64)
	for round := 0; least > warmBytes/4096/2; round++ {
		if round == 200 {
			t.Fatalf("at least %d faults in warmed pages", least)
		}
		f.warm()
		least = min(least, faultsOf(t, f, warmBytes/slotBytes))
	}
}

// TestSyncsWarm: every sync is followed by a warming.
func TestSyncsWarm(t *testing.T) {
	coldTally(t)
	f := create(t, Config{SyncInterval: time.Millisecond})
	for page, n := 0, int64(-1); n != 0; page++ {
		if page == chunkBytes/4096 {
			t.Fatalf("%d faults in the last of %d pages", n, page)
		}
		for range 2 { // the second has begun after the first one's warming
			before := f.synced.Load()
			for f.synced.Load() == before {
				runtime.Gosched()
			}
		}
		n = faultsOf(t, f, slotsOfAPage)
	}
}

// coldTally is a tally whose next slots nobody has made writable. The test stays on its
// thread, and is skipped where that makes no difference.
func coldTally(t *testing.T) *File {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	f := create(t, Config{SyncInterval: -1})
	if faultsOf(t, f, 4*slotsOfAPage) < 3 {
		t.Skip("on this file system writing to a page for the first time is no fault")
	}
	return f
}

// faultsOf is how many page faults it takes to give out so many slots.
func faultsOf(t *testing.T, f *File, slots int) int64 {
	t.Helper()
	before := faults(t)
	for range slots {
		if _, err := f.Slot(account.Line{Account: 7, Kind: account.PayPerUse}); err != nil {
			t.Fatal(err)
		}
	}
	return faults(t) - before
}

func faults(t *testing.T) int64 {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		t.Fatal(err)
	}
	return u.Minflt + u.Majflt
}
