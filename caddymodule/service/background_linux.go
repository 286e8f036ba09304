package service

import "syscall"

// low is the priority of what is to let others go first: a tenth of the processor where
// they want all of it. With the lowest, 19, it would be a seventieth, and a collection of
// garbage must wait for the work's thread to stop: on a machine that other processes
// keep busy, calls would wait for that.
const low = 10

// lowerPriority is for the thread that it is called on. That it fails, where a sandbox
// forbids it, is no loss but of time.
func lowerPriority() {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), low)
}

func onMainThread() bool { return syscall.Gettid() == syscall.Getpid() }
