package rows

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Line is what a row says at its end.
type Line struct {
	Row                          int
	Name                         string
	Rounds, Lost, Doubled, Wrong int
	Seed                         uint64
	Notes                        string
}

var lineForm = regexp.MustCompile(`^row (\d+) (.+): rounds (\d+) lost (\d+) doubled (\d+) wrong (\d+) seed (\d+)(?: \((.*)\))?$`)

// Parse reads a line as row.end prints it.
func Parse(text string) (l Line, err error) {
	m := lineForm.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return l, fmt.Errorf("no line of a row: %q", text)
	}
	l.Name, l.Notes = m[2], m[8]
	for i, into := range map[int]*int{1: &l.Row, 3: &l.Rounds, 4: &l.Lost, 5: &l.Doubled, 6: &l.Wrong} {
		if *into, err = strconv.Atoi(m[i]); err != nil {
			return l, err
		}
	}
	l.Seed, err = strconv.ParseUint(m[7], 10, 64)
	return l, err
}

// Clean reports whether nothing was lost, doubled or wrong.
func (l Line) Clean() bool { return l.Lost+l.Doubled+l.Wrong == 0 }

// Figures are what was not clean, such as "lost 1 wrong 3".
func (l Line) Figures() string {
	var parts []string
	for _, f := range []struct {
		word string
		n    int
	}{{"lost", l.Lost}, {"doubled", l.Doubled}, {"wrong", l.Wrong}} {
		if f.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", f.word, f.n))
		}
	}
	return strings.Join(parts, " ")
}
