//go:build !race

package tally

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tallygate/tallygate/account"
)

// TestWarm: slots that are given out after a warming cost no page fault, which the first
// one of a page does elsewhere. The race detector's own memory costs some.
func TestWarm(t *testing.T) {
	f := create(t, Config{Dir: t.TempDir(), SyncInterval: -1})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	faults := func() int64 {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
			t.Fatal(err)
		}
		return u.Minflt + u.Majflt
	}
	give := func(n int) int64 { // slots, by how many faults
		before := faults()
		for range n {
			if _, err := f.Slot(account.Line{Account: 7, Kind: account.PayPerUse}); err != nil {
				t.Fatal(err)
			}
		}
		return faults() - before
	}
	const perPage = 4096 / slotBytes
	if give(4*perPage) < 3 {
		t.Skip("on this file system writing to a page for the first time is no fault")
	}
	f.warm()
	if n := give(warmBytes / slotBytes); n > 2 {
		t.Errorf("%d faults in warmed pages", n)
	}
}
