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
		{"not begun", 7200, []tally.Header{hour(3600)}, "WARN"},
		{"a ledger that nobody used", 0, nil, ""},
	} {
		var log strings.Builder
		last := usedLast{at: test.at}
		for _, h := range test.there {
			last.meet(h)
		}
		last.complain(slog.New(slog.NewTextHandler(&log, nil)))
		if test.level == "" && log.Len() > 0 || !strings.Contains(log.String(), test.level) {
			t.Errorf("%s: want level %q, it says %q", test.name, test.level, log.String())
		}
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
