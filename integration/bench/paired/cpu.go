package paired

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// schedulerClock is the kind of a process's clock that counts by the scheduler,
// not by ticks.
const schedulerClock = 2

// CPU is how long a process has run on a CPU, in the kernel's own nanoseconds.
// It is what /proc/PID/task/*/schedstat says, and what threads used that have
// ended.
func CPU(pid int) (time.Duration, error) {
	var t unix.Timespec
	// The kernel makes the id of a process's clock of the complement of its own.
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &t); err != nil {
		return 0, fmt.Errorf("the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}
