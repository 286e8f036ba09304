package rating

import (
	"os"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones of testdata/zones.txt, on every machine

	"pgregory.net/rapid"
)

// zones are all that IANA names, and offsets as a setting may have them.
func zones(t testing.TB) (all []*time.Location) {
	t.Helper()
	data, err := os.ReadFile("testdata/zones.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(strings.Fields(string(data)), "+08:00", "+14:00", "-12:00", "+05:45", "-03:30") {
		loc, err := zone(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, loc)
	}
	return all
}

const (
	year1900 = -2208988800
	year2100 = 4102444800
)

var intervals = []time.Duration{time.Hour, 30 * time.Minute, 20 * time.Minute, 15 * time.Minute, 7*time.Minute + 30*time.Second, 10 * time.Second, time.Second}

// drawInstant is any instant, often one around a change of the zone's clocks
// or the end of a month.
func drawInstant(t *rapid.T, loc *time.Location) int64 {
	at := rapid.Int64Range(year1900, year2100).Draw(t, "instant")
	near := rapid.Int64Range(-7200, 7200).Draw(t, "near")
	switch rapid.IntRange(0, 2).Draw(t, "where") {
	case 1:
		if start, _ := time.Unix(at, 0).In(loc).ZoneBounds(); !start.IsZero() {
			return start.Unix() + near
		}
	case 2:
		return MonthOf(at, loc).Next().start(loc) + near
	}
	return at
}

// D7: each instant is in exactly one month, one hour of that month, and one
// period of that hour.
func TestEveryInstantHasOnePeriod(t *testing.T) {
	t.Parallel()
	all := zones(t)
	rapid.Check(t, func(t *rapid.T) {
		loc := rapid.SampledFrom(all).Draw(t, "zone")
		interval := rapid.SampledFrom(intervals).Draw(t, "interval")
		at := drawInstant(t, loc)
		month := MonthOf(at, loc)
		first, last := MonthBounds(month, loc)
		hour, nextHour := HourStart(at, loc), HourEnd(at, loc)
		period, nextPeriod := PeriodStart(at, interval, loc), PeriodEnd(at, interval, loc)
		if !(first <= hour && hour <= period && period <= at && at < nextPeriod && nextPeriod <= nextHour && nextHour <= last) {
			t.Fatalf("%s, %d: month [%d, %d), hour [%d, %d), period [%d, %d)", loc, at, first, last, hour, nextHour, period, nextPeriod)
		}
		if nextHour-hour > 3600 || nextPeriod-period > int64(interval/time.Second) {
			t.Fatalf("%s, %d: hour of %d s, period of %d s", loc, at, nextHour-hour, nextPeriod-period)
		}
		other := rapid.Int64Range(period, nextPeriod-1).Draw(t, "other")
		if MonthOf(other, loc) != month || HourStart(other, loc) != hour || HourEnd(other, loc) != nextHour ||
			PeriodStart(other, interval, loc) != period || PeriodEnd(other, interval, loc) != nextPeriod {
			t.Fatalf("%s: %d and %d differ within one period", loc, at, other)
		}
		if HourStart(nextHour, loc) != nextHour || PeriodStart(nextPeriod, interval, loc) != nextPeriod || MonthOf(last, loc) != month.Next() {
			t.Fatalf("%s, %d: the next hour, period or month does not start where this one ends", loc, at)
		}
	})
}

// Hours begin at minute 0, or where clocks are changed by part of an hour.
func TestHoursBeginAtMinuteZero(t *testing.T) {
	t.Parallel()
	all := zones(t)
	rapid.Check(t, func(t *rapid.T) {
		loc := rapid.SampledFrom(all).Draw(t, "zone")
		start := HourStart(drawInstant(t, loc), loc)
		if wallOf(start, loc)%3600 == 0 {
			return
		}
		before, after := wallOf(start-1, loc)+1, wallOf(start, loc)
		if (after-before)%3600 == 0 {
			t.Fatalf("%s: the hour at %d starts at wall second %d", loc, start, after)
		}
	})
}

// In recent and coming years every month of every zone begins on the first, and
// where an hour does; and the months leave no gap.
func TestMonthsOfAllZones(t *testing.T) {
	t.Parallel()
	for _, loc := range zones(t) {
		_, end := MonthBounds(202001, loc)
		for m := Month(202002); m < 203601; m = m.Next() {
			start, next := MonthBounds(m, loc)
			if start != end || HourStart(start, loc) != start {
				t.Errorf("%s %s starts at %d, the month before ends at %d, the hour starts at %d", loc, m, start, end, HourStart(start, loc))
			}
			if day := time.Unix(start, 0).In(loc).Day(); day != 1 {
				t.Errorf("%s %s starts on day %d", loc, m, day)
			}
			end = next
		}
	}
}

func TestMonthArithmetic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := monthOf(rapid.IntRange(1, 9998).Draw(t, "year"), time.Month(rapid.IntRange(1, 12).Draw(t, "month")))
		if m.Next().Previous() != m || m.Previous().Next() != m || m.Next() <= m {
			t.Fatalf("%s is between %s and %s", m, m.Previous(), m.Next())
		}
		if got, err := ParseMonth(m.String()); err != nil || got != m {
			t.Fatalf("%d is written %s and read %d, %v", m, m, got, err)
		}
	})
	for _, text := range []string{"", "202611", "2026-13", "2026-1", "2026-11-01"} {
		if m, err := ParseMonth(text); err == nil {
			t.Errorf("%q is read as %s", text, m)
		}
	}
}

func TestCheckInterval(t *testing.T) {
	t.Parallel()
	for _, good := range intervals {
		if err := CheckInterval(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []time.Duration{0, -time.Minute, time.Millisecond, 7 * time.Minute, 2 * time.Hour, 1500 * time.Millisecond} {
		if CheckInterval(bad) == nil {
			t.Errorf("interval %v is accepted", bad)
		}
	}
}

// D15: the day is the anchor's or the month's last, the wall time the anchor's
// where clocks show it, and terms grow with their months.
func TestAddMonths(t *testing.T) {
	t.Parallel()
	all := zones(t)
	rapid.Check(t, func(t *rapid.T) {
		loc := rapid.SampledFrom(all).Draw(t, "zone")
		anchor := time.Unix(drawInstant(t, loc), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).In(loc)
		months := rapid.IntRange(1, 60).Draw(t, "months")
		end := AddMonths(anchor, months, loc)
		if end.Nanosecond() != 0 || !end.After(AddMonths(anchor, months-1, loc)) {
			t.Fatalf("%s: %s + %d months is %s, + %d is %s", loc, anchor, months, end, months-1, AddMonths(anchor, months-1, loc))
		}
		wantMonth := monthOf(anchor.Year(), anchor.Month())
		for range months {
			wantMonth = wantMonth.Next()
		}
		lastDay := time.Date(wantMonth.Next().Year(), wantMonth.Next().Month(), 0, 0, 0, 0, 0, time.UTC).Day()
		wall := time.Date(wantMonth.Year(), wantMonth.Month(), min(anchor.Day(), lastDay),
			anchor.Hour(), anchor.Minute(), anchor.Second(), 0, time.UTC).Unix()
		unix := end.Unix()
		if shown, justBefore := wallOf(unix, loc), wallOf(unix-1, loc); shown < wall || justBefore >= wall {
			t.Fatalf("%s: %s + %d months is %s, which shows %d after %d; want %d", loc, anchor, months, end, shown, justBefore, wall)
		}
	})
}

// D15: the end of a day is the first midnight after an instant.
func TestEndOfDay(t *testing.T) {
	t.Parallel()
	all := zones(t)
	rapid.Check(t, func(t *rapid.T) {
		loc := rapid.SampledFrom(all).Draw(t, "zone")
		at := time.Unix(drawInstant(t, loc), 0)
		end := EndOfDay(at, loc)
		if !end.After(at) || end.Sub(at) > 50*time.Hour {
			t.Fatalf("%s: the day of %s ends at %s", loc, at.In(loc), end)
		}
		midnight := wallOf(end.Unix(), loc)
		if before := wallOf(end.Unix()-1, loc); before/86400 == midnight/86400 && midnight >= 0 && before >= 0 {
			t.Fatalf("%s: the day of %s ends at %s, which is no change of day", loc, at.In(loc), end)
		}
	})
}

func BenchmarkHourStart(b *testing.B) {
	loc, err := zone("Asia/Shanghai")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = HourStart(1_800_000_000, loc)
	}
}
