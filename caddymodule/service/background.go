package service

import (
	"runtime"
	"sync"
)

// inBackground runs long work beside the serving of calls, which are to notice nothing
// of it: on an operating system's thread of the lowest priority, where there is such a
// thing, which gives its processor to any other that wants it at once. And while it
// runs, Go's scheduler has one processor more than the machine: without that, a call
// waits for the work to be taken off one, though its thread could run.
func inBackground(work func() error) error {
	moreProcessors(1)
	defer moreProcessors(-1)
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		lowerPriority()
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
