package service

import "syscall"

// lowest is the priority of what is to run when nothing else wants to.
const lowest = 19

// lowerPriority is for the thread that it is called on. That it fails, where a sandbox
// forbids it, is no loss but of time.
func lowerPriority() {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), lowest)
}

func onMainThread() bool { return syscall.Gettid() == syscall.Getpid() }
