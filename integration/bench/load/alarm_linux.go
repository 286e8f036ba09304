package load

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm wakes one goroutine. The runtime's own timers wait for whole milliseconds
// where nothing else happens, and are half of one late in the middle, longer than
// most calls take. The kernel's are some microseconds late, and the runtime hears of
// them as it hears of answers.
type alarm struct {
	*os.File
	fd int
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a timer: %w", err)
	}
	return &alarm{os.NewFile(uintptr(fd), "timer"), fd}, nil
}

// wait returns at an instant, at once where it has passed.
func (a *alarm) wait(until time.Time) error {
	left := time.Until(until)
	if left <= 0 {
		return nil
	}
	if err := unix.TimerfdSettime(a.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(left))}, nil); err != nil {
		return fmt.Errorf("setting a timer: %w", err)
	}
	var rung [8]byte // how often
	_, err := a.Read(rung[:])
	return err
}
