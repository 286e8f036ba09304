package service

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestDamageInCountersMadeAhead does not end the period before its time.
func TestDamageInCountersMadeAhead(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	call(t, s, customer(t, s, "acme", "1.00"), "recognition/image-tagging", 15)
	if err := s.meter.Prepare(); err != nil {
		t.Fatal(err)
	}
	settled := s.engine.SettledUntil()
	left := filepath.Join(t.TempDir(), "tally") // as a kill leaves it
	if err := os.CopyFS(left, os.DirFS(filepath.Join(c.Dir, "tally"))); err != nil {
		t.Fatal(err)
	}
	shut(t, s)
	paths, err := filepath.Glob(filepath.Join(left, "*.tally"))
	if err != nil || len(paths) != 2 {
		t.Fatal(paths, err)
	}
	content, err := os.ReadFile(paths[1])
	if err != nil {
		t.Fatal(err)
	}
	content[1<<16+16] ^= 1 // in the first slot
	if err := errors.Join(os.WriteFile(paths[1], content, 0o600), os.RemoveAll(filepath.Join(c.Dir, "tally")),
		os.Rename(left, filepath.Join(c.Dir, "tally"))); err != nil {
		t.Fatal(err)
	}
	s = open(t, c)
	if err := s.tick(); err != nil {
		t.Fatal(err)
	}
	if got := s.engine.SettledUntil(); got != settled {
		t.Errorf("settled until %d, want %d", got, settled)
	}
}
