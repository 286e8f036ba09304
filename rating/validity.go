package rating

import "time"

// AddMonths returns the instant that lies so many calendar months after an
// anchor, in whole seconds (D15). Always count from the first anchor: adding
// one month twice to 31 January gives 28 March, adding two gives 31 March. A
// wall time that the zone's clocks skip is the end of the gap, one that they
// show twice is the first of the two.
func AddMonths(anchor time.Time, months int, loc *time.Location) time.Time {
	anchor = anchor.Truncate(time.Second).In(loc)
	if months == 0 {
		return anchor
	}
	year, month, day := anchor.Date()
	first := time.Date(year, month+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	lastDay := first.AddDate(0, 1, -1).Day()
	wall := time.Date(first.Year(), first.Month(), min(day, lastDay),
		anchor.Hour(), anchor.Minute(), anchor.Second(), 0, time.UTC)
	return time.Unix(firstAt(wall.Unix(), loc), 0).In(loc)
}

// EndOfDay returns the next local midnight after an instant, for the option
// expiry end_of_day (D15).
func EndOfDay(t time.Time, loc *time.Location) time.Time {
	for days := 1; ; days++ {
		year, month, day := t.In(loc).Date()
		midnight := time.Date(year, month, day+days, 0, 0, 0, 0, time.UTC).Unix()
		// Clocks put back over midnight may show a day whose end is past.
		if end := time.Unix(firstAt(midnight, loc), 0); end.After(t) {
			return end.In(loc)
		}
	}
}
