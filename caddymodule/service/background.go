package service

import (
	"runtime"
	"sync"
)

// forBackground is how many processors Go's scheduler gets besides those of the
// machine while work runs in the background: one for the work, the others for what
// the ledger does on its behalf at any priority, writing a memory table out and two
// merges of several goroutines each. A call that finds all of them taken waits until
// one is let go of, for up to ten milliseconds; with one of its own it waits for the
// kernel only, which lets in who has run little.
const forBackground = 8

// inBackground runs long work beside the serving of calls, which are to notice nothing
// of it: on an operating system's thread of low priority, where there is such a thing.
func inBackground(work func() error) error {
	beginBackground()
	defer endBackground()
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

// inBackgroundNow counts the works. The second of two, as a settlement that an operator
// asks for beside that of the loop, waits for the first: with processors of its own,
// collections of garbage would only have more threads to stop, and run on.
var (
	backgroundLock  sync.Mutex
	inBackgroundNow int
)

func beginBackground() {
	backgroundLock.Lock()
	defer backgroundLock.Unlock()
	if inBackgroundNow++; inBackgroundNow == 1 {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + forBackground)
	}
}

func endBackground() {
	backgroundLock.Lock()
	defer backgroundLock.Unlock()
	if inBackgroundNow--; inBackgroundNow == 0 {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) - forBackground)
	}
}
