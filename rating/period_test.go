package rating

import (
	"archive/zip"
	"errors"
	"go/build"
	"os"
	"path/filepath"
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
		period, nextPeriod := checkInstant(t, loc, at, interval)
		other := rapid.Int64Range(period, nextPeriod-1).Draw(t, "other")
		if MonthOf(other, loc) != MonthOf(at, loc) || HourStart(other, loc) != HourStart(at, loc) || HourEnd(other, loc) != HourEnd(at, loc) ||
			PeriodStart(other, interval, loc) != period || PeriodEnd(other, interval, loc) != nextPeriod {
			t.Fatalf("%s: %d and %d differ within one period", loc, at, other)
		}
	})
}

// checkInstant checks the bounds of an instant's month, hour and period against
// one another and those of their neighbours, and returns the period.
func checkInstant(t rapid.TB, loc *time.Location, at int64, interval time.Duration) (period, nextPeriod int64) {
	t.Helper()
	month := MonthOf(at, loc)
	first, last := MonthBounds(month, loc)
	hour, nextHour := HourStart(at, loc), HourEnd(at, loc)
	period, nextPeriod = PeriodStart(at, interval, loc), PeriodEnd(at, interval, loc)
	if !(first <= hour && hour <= period && period <= at && at < nextPeriod && nextPeriod <= nextHour && nextHour <= last) {
		t.Fatalf("%s, %d: month [%d, %d), hour [%d, %d), period [%d, %d)", loc, at, first, last, hour, nextHour, period, nextPeriod)
	}
	if nextHour-hour > 3600 || nextPeriod-period > int64(interval/time.Second) {
		t.Fatalf("%s, %d: hour of %d s, period of %d s", loc, at, nextHour-hour, nextPeriod-period)
	}
	if HourStart(nextHour, loc) != nextHour || PeriodStart(nextPeriod, interval, loc) != nextPeriod ||
		HourEnd(hour-1, loc) != hour || PeriodEnd(period-1, interval, loc) != period {
		t.Fatalf("%s, %d: an hour or period does not start where the one before ends", loc, at)
	}
	_, before := MonthBounds(month.Previous(), loc)
	after, _ := MonthBounds(month.Next(), loc)
	if before != first || after != last || MonthOf(first, loc) != month || MonthOf(first-1, loc) != month.Previous() ||
		MonthOf(last-1, loc) != month || MonthOf(last, loc) != month.Next() {
		t.Fatalf("%s, %d: month %s is [%d, %d), the one before ends at %d, the one after starts at %d", loc, at, month, first, last, before, after)
	}
	return period, nextPeriod
}

// marks are the instants of a zone around which something may go wrong: changes
// of its clocks, ends of months, leap days, ends of years.
func marks(loc *time.Location) (all []int64) {
	for _, year := range []int{1972, 1999, 2000, 2004, 2023, 2024, 2026, 2027, 2028, 2037, 2038, 2056, 2096, 2100} {
		for month := time.January; month <= time.December; month++ {
			all = append(all, time.Date(year, month, 1, 0, 0, 0, 0, loc).Unix())
		}
		all = append(all, time.Date(year, time.February, 29, 0, 0, 0, 0, loc).Unix(), time.Date(year, time.March, 0, 12, 0, 0, 0, loc).Unix())
	}
	for at := time.Unix(year1900, 0).In(loc); ; {
		_, end := at.ZoneBounds()
		if end.IsZero() || end.Unix() > year2100 || !end.After(at) {
			return all
		}
		all = append(all, end.Unix())
		at = end
	}
}

// D7: the same at every mark of every zone, by the second on either side.
func TestEveryMarkHasOnePeriod(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, loc := range zones(t) {
		for _, mark := range marks(loc) {
			for _, off := range []int64{-3601, -3600, -1801, -1800, -1, 0, 1, 1799, 1800, 3599, 3600} {
				checkInstant(t, loc, mark+off, intervals[checked%len(intervals)])
				checked++
			}
		}
	}
	if checked < 1_000_000 {
		t.Errorf("only %d instants were checked: do the zones have no clock changes?", checked)
	}
}

// D7: the hours of a month, one after the other, are the month.
func TestHoursTileTheMonth(t *testing.T) {
	t.Parallel()
	all := zones(t)
	rapid.Check(t, func(t *rapid.T) {
		loc := rapid.SampledFrom(all).Draw(t, "zone")
		month := MonthOf(drawInstant(t, loc), loc)
		at, end := MonthBounds(month, loc)
		for hours := 0; at < end; hours++ {
			next := HourEnd(at, loc)
			if HourStart(at, loc) != at || HourStart(next-1, loc) != at || next <= at || next-at > 3600 || hours > 31*24+50 {
				t.Fatalf("%s, %s: hour %d is [%d, %d), its last second is in the one of %d", loc, month, hours, at, next, HourStart(next-1, loc))
			}
			at = next
		}
		if at != end {
			t.Fatalf("%s, %s: the last hour ends at %d, the month at %d", loc, month, at, end)
		}
	})
}

// The tests run in all zones that Go can load here.
func TestAllZonesOfGo(t *testing.T) {
	t.Parallel()
	file, err := zip.OpenReader(filepath.Join(build.Default.GOROOT, "lib", "time", "zoneinfo.zip"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("this Go has no zoneinfo.zip")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	known := map[string]bool{}
	for _, loc := range zones(t) {
		known[loc.String()] = true
	}
	for _, f := range file.File {
		if !strings.HasSuffix(f.Name, "/") && !known[f.Name] {
			t.Errorf("zone %s is not in testdata/zones.txt; add it", f.Name)
		}
	}
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

// D15: terms counted from one anchor follow one another without gap, so every
// instant after the anchor is in exactly one; each keeps the anchor's day where
// the month has it, and the last day where it has not, whatever came between.
func TestTermsKeepTheirAnchor(t *testing.T) {
	t.Parallel()
	all := zones(t)
	rapid.Check(t, func(t *rapid.T) {
		loc := rapid.SampledFrom(all).Draw(t, "zone")
		anchor := time.Unix(drawInstant(t, loc), 0).In(loc)
		months, terms := rapid.SampledFrom([]int{1, 2, 3, 12}).Draw(t, "months"), rapid.IntRange(1, 15).Draw(t, "terms")
		start := AddMonths(anchor, months*(terms-1), loc)
		end := AddMonths(anchor, months*terms, loc)
		if !start.Before(end) || AddMonths(anchor, 0, loc) != anchor {
			t.Fatalf("%s: term %d of %d months from %s is [%s, %s)", loc, terms, months, anchor, start, end)
		}
		// Where clocks have just been changed, the anchor's wall time may not be shown.
		if _, offset := end.Add(-24 * time.Hour).Zone(); wallOf(end.Unix(), loc)-end.Unix() != int64(offset) {
			return
		}
		year, month, _ := anchor.Date()
		lastDay := time.Date(year, month+time.Month(months*terms)+1, 0, 0, 0, 0, 0, time.UTC).Day()
		if want := min(anchor.Day(), lastDay); end.Day() != want || end.Format("15:04:05") != anchor.Format("15:04:05") {
			t.Fatalf("%s: %d months after %s is %s, want day %d", loc, months*terms, anchor, end, want)
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
