package service

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// damagedFolder is a stopped ledger with a past.
func damagedFolder(t *testing.T) Config {
	t.Helper()
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	k := customer(t, s, "acme", "1.00")
	call(t, s, k, "recognition/image-tagging", 15)
	advance(t, s, time.Date(2026, 11, 30, 23, 0, 0, 0, zone))
	shut(t, s)
	return c
}

// refusedStart is what a start on it says.
func refusedStart(t *testing.T, c Config) string {
	t.Helper()
	s, err := Open(c)
	if err == nil {
		shut(t, s)
		t.Fatal("started on a damaged folder")
	}
	return err.Error()
}

// TestDamagedLedgerSaysTheWayOut: a table, the MANIFEST, the journal, a sealed
// file that has to be folded again.
func TestDamagedLedgerSaysTheWayOut(t *testing.T) {
	for _, test := range []struct {
		pattern string
		way     string
	}{
		{"badger/*.sst", ledger.WayOut},
		{"badger/MANIFEST", ledger.WayOut},
		{"journal/*.journal", ledger.WayOut},
		{"usage/*.usage", ledger.WayOut},
	} {
		c := damagedFolder(t)
		paths, err := filepath.Glob(filepath.Join(c.Dir, test.pattern))
		if err != nil || len(paths) == 0 {
			t.Fatal(test.pattern, paths, err)
		}
		if strings.HasPrefix(test.pattern, "usage") {
			if err := os.RemoveAll(filepath.Join(c.Dir, "badger")); err != nil {
				t.Fatal(err)
			}
		}
		content, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		content[20] ^= 4
		if err := os.WriteFile(paths[0], content, 0o600); err != nil {
			t.Fatal(err)
		}
		text := refusedStart(t, c)
		if !strings.Contains(text, filepath.Base(paths[0])) || strings.Count(text, test.way) != 1 {
			t.Errorf("%s: %s", test.pattern, text)
		}
	}
}

// TestDamagedClock: time does not go elsewhere by itself; an operator may write
// down where it is.
func TestDamagedClock(t *testing.T) {
	c := damagedFolder(t)
	path := filepath.Join(c.Dir, "clock")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := map[string]bool{"": true, "no time": true}
	for at := range len(good) - 1 { // the last byte ends the line
		bad := []byte(string(good))
		bad[at] ^= 1
		damaged[string(bad)] = true
	}
	for text := range damaged {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if text := refusedStart(t, c); !strings.Contains(text, path) || !strings.Contains(text, setClock) {
			t.Error(text)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if text := refusedStart(t, c); !strings.Contains(text, path) || !strings.Contains(text, setClock) {
		t.Error(text)
	}
	for _, text := range []string{"2026-11-30T23:00:00+08:00\n", string(good)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, c)
		if now := s.Now(); !now.Equal(time.Date(2026, 11, 30, 23, 0, 0, 0, zone)) {
			t.Errorf("%q: it is %s", text, now)
		}
		shut(t, s)
	}
}

// TestMissingRecordOfImages is told of where there are instances.
func TestMissingRecordOfImages(t *testing.T) {
	for _, instance := range []bool{false, true} {
		var log strings.Builder
		c := damagedFolder(t)
		if instance {
			s := open(t, c)
			do(t, s, "acme", &account.TopUp{Amount: "1000.00", Reference: "wire"})
			do(t, s, "acme", &account.Subscribe{Instance: "shop", Row: "s100k-1", Months: 1})
			shut(t, s)
		}
		if err := os.Remove(filepath.Join(c.Dir, "tally", "images.intents")); err != nil {
			t.Fatal(err)
		}
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		shut(t, open(t, c))
		if told := strings.Contains(log.String(), "record of adds and deletes of an earlier run is damaged"); told != instance {
			t.Errorf("with an instance %t: %s", instance, log.String())
		}
	}
}

// TestMissingCounters: where all files of the open period's counters are gone, the
// log says so; a folder that lacks nothing is no reason to.
func TestMissingCounters(t *testing.T) {
	for _, gone := range []bool{false, true} {
		var log strings.Builder
		c := damagedFolder(t)
		paths, err := filepath.Glob(filepath.Join(c.Dir, "tally", "2*"))
		if err != nil || len(paths) == 0 {
			t.Fatal(paths, err)
		}
		for _, path := range paths {
			if !gone {
				break
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		shut(t, open(t, c))
		if told := strings.Contains(log.String(), "there are no counters of the period"); told != gone {
			t.Errorf("gone %t, told %t:\n%s", gone, told, log.String())
		}
	}
}
