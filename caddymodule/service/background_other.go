//go:build !linux

package service

// lowerPriority does nothing where threads have no priority of their own.
func lowerPriority() {}

func onMainThread() bool { return false }
