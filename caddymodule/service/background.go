package service

import (
	"runtime"
	"sync"
)

// forBackground is how many processors Go's scheduler gets besides those of the
// machine while work runs in the background: one for the work, and one each for what
// the ledger does on its behalf and at any priority, writing a memory table out and
// two merges. A call that finds all of them taken waits until one is let go of, for up
// to ten milliseconds; with one of its own it waits for the kernel only, which
// lets in who has run little.
const forBackground = 4

// inBackground runs long work beside the serving of calls, which are to notice nothing
// of it: on an operating system's thread of low priority, where there is such a thing.
func inBackground(work func() error) error {
	moreProcessors(forBackground)
	defer moreProcessors(-forBackground)
	return onThreadOfItsOwn(work)
}

// onThreadOfItsOwn runs work on a thread that ends with it. The main thread never ends,
// and its priority is what others see as that of the process.
func onThreadOfItsOwn(work func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if onMainThread() { // held until the work is done on another one
			defer runtime.UnlockOSThread()
			done <- onThreadOfItsOwn(work)
			return
		}
		lowerPriority() // and never unlocked: the thread ends with the goroutine
		done <- work()
	}()
	return <-done
}

var processorsLock sync.Mutex

// moreProcessors changes how many Go's scheduler has.
func moreProcessors(by int) {
	processorsLock.Lock()
	defer processorsLock.Unlock()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + by)
}
