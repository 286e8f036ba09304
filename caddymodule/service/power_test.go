package service

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSettledCountersThatAppearAgain: a cut, or a kill, between the removals of a
// settled tally's files leaves the mapped one alone. Nothing of it is missed, so
// nobody is told that it may be too low, and it is not counted again.
func TestSettledCountersThatAppearAgain(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	call(t, s, customer(t, s, "acme", "1.00"), "recognition/image-tagging", 10+4)
	files, err := filepath.Glob(filepath.Join(c.Dir, "tally", "*.tally"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	mapped, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	advance(t, s, s.Now().Add(2*time.Hour))
	want := balance(t, s, "acme")
	shut(t, s)
	if _, err := os.Stat(files[0]); !os.IsNotExist(err) {
		t.Fatalf("%s of a settled period: %v", files[0], err)
	}
	if err := os.WriteFile(files[0], mapped, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s = open(t, c)
	advance(t, s, s.Now().Add(2*time.Hour))
	if got := balance(t, s, "acme"); got != want || want == "1.00" {
		t.Errorf("balance %s, want %s and less than 1.00", got, want)
	}
	shut(t, s)
	if strings.Contains(log.String(), "level=ERROR") {
		t.Error(log.String())
	}
	if _, err := os.Stat(files[0]); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", files[0], err)
	}
}
