package rating

import (
	"math"
	"time"
)

// Walls are what a clock on the wall shows, as the Unix second at which a clock
// in UTC shows the same. Where a zone's clocks are put back they show some
// walls twice, where they are put forward they skip some; the first instant at
// which they show a wall or a later one is well defined in both cases, and so
// is what begins with it.

const day = 24 * 60 * 60

// firstAt returns the first instant at which the clocks show wall or later.
func firstAt(wall int64, loc *time.Location) int64 {
	for unix := wall - day; ; { // no zone is or was a day from UTC
		s := stretchOf(unix, loc)
		if at := max(unix, wall-s.offset); at < s.end {
			return at
		}
		unix = s.end
	}
}

// stretch is a time [start, end) during which a zone keeps its offset, not
// always the longest such time.
type stretch struct{ offset, start, end int64 }

func stretchOf(unix int64, loc *time.Location) stretch {
	t := time.Unix(unix, 0).In(loc)
	_, offset := t.Zone()
	s := stretch{int64(offset), math.MinInt64, math.MaxInt64}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		s.start = start.Unix()
	}
	if !end.IsZero() {
		s.end = end.Unix()
	}
	if s.end <= unix { // Go takes every year to have 365 days, where rules go on for ever
		s.end += day
	}
	return s
}
