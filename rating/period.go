package rating

import (
	"fmt"
	"time"
)

// Month is a calendar month of the billing zone as YYYYMM: 202611.
type Month uint32

// MonthOf returns the month that an instant, in Unix seconds, belongs to: the
// one whose MonthBounds contain it (D7).
func MonthOf(unix int64, loc *time.Location) Month {
	year, month, day := time.Unix(unix, 0).In(loc).Date()
	m := monthOf(year, month)
	// Where clocks are put back over a month's first midnight they show the
	// old month once more, after the new one has begun.
	if day >= 27 && unix >= m.Next().start(loc) {
		return m.Next()
	}
	return m
}

// MonthBounds returns the instants [start, end) of a month in Unix seconds. It
// starts when the clocks of the zone first show its first day.
func MonthBounds(m Month, loc *time.Location) (start, end int64) {
	return m.start(loc), m.Next().start(loc)
}

func (m Month) start(loc *time.Location) int64 {
	return firstAt(time.Date(m.Year(), m.Month(), 1, 0, 0, 0, 0, time.UTC).Unix(), loc)
}

func monthOf(year int, month time.Month) Month { return Month(year*100 + int(month)) }

// Year and Month are the two parts.
func (m Month) Year() int         { return int(m / 100) }
func (m Month) Month() time.Month { return time.Month(m % 100) }

// Next is the month after m.
func (m Month) Next() Month {
	if m%100 == 12 {
		return m + 89
	}
	return m + 1
}

// Previous is the month before m.
func (m Month) Previous() Month {
	if m%100 == 1 {
		return m - 89
	}
	return m - 1
}

// String is "2026-11".
func (m Month) String() string { return fmt.Sprintf("%04d-%02d", m.Year(), m.Month()) }

// ParseMonth is the inverse of String.
func ParseMonth(s string) (Month, error) {
	t, err := time.Parse("2006-01", s)
	if err != nil {
		return 0, fmt.Errorf("month %q: write it as 2026-11", s)
	}
	return monthOf(t.Year(), t.Month()), nil
}

// MarshalText is String, so that JSON says "2026-11".
func (m Month) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (m *Month) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMonth(string(text))
	return err
}

const hour = 60 * 60

// HourStart returns the start, in Unix seconds, of the billing hour that an
// instant belongs to (D7). An hour starts when the zone's clocks show minute
// 0, and when they are changed by something else than whole hours: it is never
// longer than 3,600 seconds, and at such a change shorter.
func HourStart(unix int64, loc *time.Location) int64 {
	s := stretchOf(unix, loc)
	start := unix - modulo(unix+s.offset, hour)
	for s.start > start {
		before := stretchOf(s.start-1, loc)
		if modulo(s.offset-before.offset, hour) != 0 {
			return s.start
		}
		s = before
	}
	return start
}

// HourEnd returns the start of the hour after the one of an instant.
func HourEnd(unix int64, loc *time.Location) int64 {
	s := stretchOf(unix, loc)
	end := unix - modulo(unix+s.offset, hour) + hour
	for s.end < end {
		after := stretchOf(s.end, loc)
		if modulo(s.offset-after.offset, hour) != 0 {
			return s.end
		}
		s = after
	}
	return end
}

// CheckInterval tells whether a flush interval is whole seconds and divides
// the hour.
func CheckInterval(interval time.Duration) error {
	if interval < time.Second || interval%time.Second != 0 || time.Hour%interval != 0 {
		return fmt.Errorf("interval %v does not divide an hour into whole seconds; use 1h, or for example 15m or 10s", interval)
	}
	return nil
}

// PeriodStart returns the start of the settlement period of an instant: its
// hour is cut into intervals from the hour's start. The interval must pass
// CheckInterval.
func PeriodStart(unix int64, interval time.Duration, loc *time.Location) int64 {
	start := HourStart(unix, loc)
	return unix - (unix-start)%int64(interval/time.Second)
}

// PeriodEnd returns the start of the period after the one of an instant.
func PeriodEnd(unix int64, interval time.Duration, loc *time.Location) int64 {
	end := PeriodStart(unix, interval, loc) + int64(interval/time.Second)
	return min(end, HourEnd(unix, loc))
}

// modulo is a mod b in [0, b), also for negative a.
func modulo(a, b int64) int64 { return ((a % b) + b) % b }
