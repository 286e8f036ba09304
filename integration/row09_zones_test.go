package integration

import (
	"slices"
	"time"
)

// dayZone is a billing zone as the test knows it, written down without a database
// of zones.
type dayZone struct {
	name          string
	winter        time.Duration // from UTC
	summer        time.Duration // the same; that of winter where there is none
	begins, after func(year int) time.Time
}

// Etc/GMT+12 is twelve hours behind UTC, as its name does not say.
var dayZones = []dayZone{
	{name: "Pacific/Kiritimati", winter: 14 * time.Hour},
	{name: "Etc/GMT+12", winter: -12 * time.Hour},
	{name: "Europe/Berlin", winter: time.Hour, summer: 2 * time.Hour,
		begins: func(y int) time.Time { return sunday(y, time.April, 1, -1).Add(time.Hour) },
		after:  func(y int) time.Time { return sunday(y, time.November, 1, -1).Add(time.Hour) }},
	{name: "America/New_York", winter: -5 * time.Hour, summer: -4 * time.Hour,
		begins: func(y int) time.Time { return sunday(y, time.March, 8, 0).Add(7 * time.Hour) },
		after:  func(y int) time.Time { return sunday(y, time.November, 1, 0).Add(6 * time.Hour) }},
	{name: "Australia/Lord_Howe", winter: 10*time.Hour + 30*time.Minute, summer: 11 * time.Hour, // half an hour
		begins: func(y int) time.Time {
			return sunday(y, time.October, 1, 0).Add(2*time.Hour - 10*time.Hour - 30*time.Minute)
		},
		after: func(y int) time.Time { return sunday(y, time.April, 1, 0).Add(2*time.Hour - 11*time.Hour) }},
	{name: "Asia/Shanghai", winter: 8 * time.Hour},
}

// sunday is the first one on or after a day, or that many weeks later.
func sunday(year int, month time.Month, day, weeks int) time.Time {
	at := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return at.AddDate(0, 0, (7-int(at.Weekday()))%7+7*weeks)
}

// offset is how far the zone is from UTC at an instant.
func (z dayZone) offset(at time.Time) time.Duration {
	if z.begins == nil {
		return z.winter
	}
	begins, after := z.begins(at.Year()), z.after(at.Year())
	summer := !at.Before(begins) && at.Before(after)
	if after.Before(begins) { // in the south
		summer = at.Before(after) || !at.Before(begins)
	}
	if summer {
		return z.summer
	}
	return z.winter
}

// local is the zone's calendar and clock, as if it were UTC.
func (z dayZone) local(at time.Time) time.Time { return at.UTC().Add(z.offset(at.UTC())) }

func (z dayZone) month(at time.Time) string { return z.local(at).Format("2006-01") }

// midnight is when a day begins in the zone. None of them changes its offset then.
func (z dayZone) midnight(year int, month time.Month, day int) time.Time {
	wall := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	for _, offset := range []time.Duration{z.winter, z.summer} {
		if at := wall.Add(-offset); z.offset(at) == offset {
			return at
		}
	}
	panic("no midnight in " + z.name)
}

// instants are those of a year at which calls go from one hour, day or month to
// another in an unusual way, in order.
func (z dayZone) instants(year int) (list []time.Time) {
	for month := time.January; month <= 12; month++ {
		list = append(list, z.midnight(year, month, 1))
	}
	list = append(list, z.midnight(year, time.February, 28), z.midnight(year, time.February, 29), // or 1 March
		z.midnight(year, time.December, 31), z.midnight(year+1, time.January, 1))
	if z.begins != nil {
		for _, at := range []time.Time{z.begins(year), z.after(year)} {
			list = append(list, at.Add(-time.Hour), at, at.Add(30*time.Minute), at.Add(time.Hour))
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	return slices.CompactFunc(list, time.Time.Equal)
}
