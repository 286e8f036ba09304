package service

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/meter/tally"
)

// TestUsedLast: what the log says of counters that are not there, by those that are.
func TestUsedLast(t *testing.T) {
	hour := func(start int64) tally.Header { return tally.Header{Node: "a", Start: start, Length: 3600} }
	for _, test := range []struct {
		name  string
		at    int64
		there []tally.Header
		level string
	}{
		{"of that hour", 7300, []tally.Header{hour(7200)}, ""},
		{"of that hour and the next", 7300, []tally.Header{hour(7200), hour(10800)}, ""},
		{"of its first second", 7200, []tally.Header{hour(7200)}, ""},
		{"gone", 7300, nil, "ERROR"},
		{"only those of the next hour, made ahead", 7300, []tally.Header{hour(10800)}, "ERROR"},
		{"of the hour before, and the next had just begun", 7200 + beginsWithin - 1, []tally.Header{hour(3600)}, "WARN"},
		{"of the hour before alone", 7200 + beginsWithin, []tally.Header{hour(3600)}, "ERROR"},
		{"a ledger that nobody used", 0, nil, ""},
	} {
		var log strings.Builder
		last := usedLast{at: test.at, leeway: beginsWithin}
		for _, h := range test.there {
			last.meet(h)
		}
		last.complain(slog.New(slog.NewTextHandler(&log, nil)))
		if test.level == "" && log.Len() > 0 || !strings.Contains(log.String(), test.level) {
			t.Errorf("%s: want level %q, it says %q", test.name, test.level, log.String())
		}
	}
}

// TestFailedStartsLoseNothing: a start that fails, however late, leaves no folder that
// lacks something.
func TestFailedStartsLoseNothing(t *testing.T) {
	c, shift, log := onWall(t)
	c.FlushInterval = time.Hour
	s := open(t, c)
	customer(t, s, "acme", "2.00")
	until(t, "the clock's mark is there", func() bool { _, err := readMark(s.wall.path); return err == nil })
	shut(t, s)
	shift(48 * time.Hour)
	bad := filepath.Join(c.Dir, "tally", "20991231T000000Z.tally")
	if err := os.WriteFile(bad, []byte("no tally"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := Open(c); err == nil {
			t.Fatal("opened")
		}
	}
	if err := os.Remove(bad); err != nil {
		t.Fatal(err)
	}
	open(t, c)
	if log.count("no counters of the period") != 0 {
		t.Error("nothing was counted, and the log misses counters")
	}
}

// TestEmptyCountersStay: a start that a kill ends at any moment leaves counters of
// the period in which the ledger was used last, although they counted nothing.
func TestEmptyCountersStay(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	customer(t, s, "acme", "1.00")
	advance(t, s, s.Now().Add(time.Minute))
	shut(t, s)
	paths, err := filepath.Glob(filepath.Join(c.Dir, "tally", "*.tally"))
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	before, err := os.Open(paths[0]) // open, or another file could get its number
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	open(t, c)
	old, err := before.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if now, err := os.Stat(paths[0]); err != nil || !os.SameFile(old, now) {
		t.Errorf("the counters were removed: %v", err)
	}
}
