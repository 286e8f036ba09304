package meter

import (
	"testing"
	"time"
)

// wallOff is a wall clock that a test can put off.
func wallOff() (c *WallClock, off *time.Duration) {
	off = new(time.Duration)
	return NewWallClock(func() time.Duration { return *off }), off
}

// TestWallClockFollows small steps of the wall clock, and no others.
func TestWallClockFollows(t *testing.T) {
	t.Parallel()
	for by, followed := range map[time.Duration]bool{0: true, 4 * time.Minute: true, -4 * time.Minute: true,
		6 * time.Minute: false, -6 * time.Minute: false, 400 * 24 * time.Hour: false, -400 * 24 * time.Hour: false} {
		c, off := wallOff()
		*off = by
		r, ok := c.Follow()
		if ok != followed || (r.Disagreement()-by).Abs() > time.Minute {
			t.Errorf("%s: followed %t, it was off by %s", by, ok, r.Disagreement())
		}
		if left := c.Read().Disagreement().Abs() < time.Minute; left != followed {
			t.Errorf("%s: after it they agree: %t", by, left)
		}
	}
}

// TestWallClockAccepts what an operator saw, however far, and goes on from there
// with monotonic time, which notices none of it (D27).
func TestWallClockAccepts(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{400 * 24 * time.Hour, -400 * 24 * time.Hour} {
		c, off := wallOff()
		before := c.Now()
		*off = by
		r := c.Read()
		c.Accept(r)
		after := c.Now()
		if after.Mono < r.Mono || r.Mono < before.Mono {
			t.Errorf("%s: monotonic time goes back: %d, %d, %d", by, before.Mono, r.Mono, after.Mono)
		}
		if after.Event-after.Mono != r.Wall-r.Mono {
			t.Errorf("%s: event time is %d at %d, the wall clock was %d at %d", by, after.Event, after.Mono, r.Wall, r.Mono)
		}
		if _, followed := c.Follow(); !followed {
			t.Errorf("%s: it is not followed after it was accepted", by)
		}
	}
}
