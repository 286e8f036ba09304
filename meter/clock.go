package meter

import (
	"errors"
	"sync/atomic"
	"time"
)

// Instant is one reading of a clock, in nanoseconds.
type Instant struct {
	Event int64 // since the Unix epoch: decides hour, month, validity (D6)
	Mono  int64 // monotonic, from an arbitrary start: rate windows (D27)
}

// Time is the event time as a time.Time in UTC.
func (i Instant) Time() time.Time { return time.Unix(0, i.Event).UTC() }

// Clock is the one source of time of a gateway.
type Clock interface {
	Now() Instant
}

// MaxDisagreement is how far the wall clock may be from event time before the
// gateway stops following it (an operator's business then).
const MaxDisagreement = 5 * time.Minute

// WallClock advances with monotonic time from the last accepted wall time.
type WallClock struct {
	start  time.Time
	shift  func() time.Duration
	offset atomic.Int64 // event time minus monotonic time
}

// NewWallClock starts at the machine's present wall time, which is off as far as
// tests want; nil stands for not at all. Monotonic time never is.
func NewWallClock(shift func() time.Duration) *WallClock {
	if shift == nil {
		shift = func() time.Duration { return 0 }
	}
	c := &WallClock{start: time.Now(), shift: shift}
	c.Accept(c.Read())
	return c
}

// Now reads the clock.
func (c *WallClock) Now() Instant {
	mono := int64(time.Since(c.start))
	return Instant{Event: mono + c.offset.Load(), Mono: mono}
}

// Reading is event time and the wall clock at one moment.
type Reading struct {
	Instant
	Wall int64 // Unix nanoseconds
}

// Disagreement is wall clock minus event time.
func (r Reading) Disagreement() time.Duration { return time.Duration(r.Wall - r.Event) }

// Read reads event time and the wall clock at once.
func (c *WallClock) Read() Reading {
	now := time.Now()
	mono := int64(now.Sub(c.start))
	return Reading{Instant{Event: mono + c.offset.Load(), Mono: mono}, now.UnixNano() + int64(c.shift())}
}

// Follow adopts the wall clock where it agrees with event time, and otherwise
// leaves event time as it is. It returns what it read before that.
func (c *WallClock) Follow() (r Reading, followed bool) {
	r = c.Read()
	if r.Disagreement().Abs() > MaxDisagreement {
		return r, false
	}
	old := r.Event - r.Mono
	c.offset.CompareAndSwap(old, r.Wall-r.Mono) // else somebody else has just moved it
	return r, true
}

// Accept makes the wall clock of a reading that moment's event time, however far
// that is.
func (c *WallClock) Accept(r Reading) { c.offset.Store(r.Wall - r.Mono) }

// Begin makes an instant (Unix nanoseconds) the present event time.
func (c *WallClock) Begin(event int64) { c.offset.Store(event - int64(time.Since(c.start))) }

// ErrClockBackwards: a test clock was told to go back.
var ErrClockBackwards = errors.New("the test clock only goes forward")

// TestClock stands still until it is told to advance. Rate windows follow it.
type TestClock struct {
	now   atomic.Int64
	start int64
}

// NewTestClock starts at the given instant.
func NewTestClock(at time.Time) *TestClock {
	c := &TestClock{start: at.UnixNano()}
	c.now.Store(c.start)
	return c
}

// Now reads the clock.
func (c *TestClock) Now() Instant {
	now := c.now.Load()
	return Instant{Event: now, Mono: now - c.start}
}

// Set moves the clock forward to an instant.
func (c *TestClock) Set(to time.Time) error {
	for {
		now := c.now.Load()
		if to.UnixNano() < now {
			return ErrClockBackwards
		}
		if c.now.CompareAndSwap(now, to.UnixNano()) {
			return nil
		}
	}
}
