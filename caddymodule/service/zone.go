package service

import (
	"fmt"
	"regexp"
	"time"
)

var offsetPattern = regexp.MustCompile(`^[+-](0\d|1[0-4]):([0-5]\d)$`)

// ParseZone reads a billing zone: an IANA name or an offset. The zone's String is
// the name again.
func ParseZone(name string) (*time.Location, error) {
	if offsetPattern.MatchString(name) {
		t, err := time.Parse("-07:00", name)
		if err != nil {
			return nil, fmt.Errorf("timezone %q: %w", name, err)
		}
		_, seconds := t.Zone()
		return time.FixedZone(name, seconds), nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("timezone %q: use an IANA name such as Asia/Shanghai, or an offset such as +08:00", name)
	}
	return loc, nil
}
