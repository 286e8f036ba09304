package service

import (
	"maps"
	"os"
	"testing"
	"time"
)

// TestCutLeavesNoCallsOfOthers: what an account used that came after the cut is left
// out of the counters, and not billed to the one that gets its number; the calls
// of others are.
func TestCutLeavesNoCallsOfOthers(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	s := open(t, b.config)
	acme, end := find(t, s, "acme"), s.journal.Head().Seq
	late := customer(t, s, "late", "10.00")
	call(t, s, acme, "recognition/image-tagging", 7)
	call(t, s, late, "recognition/image-tagging", 3)
	acmes, lates := number(t, s, "acme"), number(t, s, "late")
	before := s.meter.Open(acmes, 0)
	shut(t, s)

	b.flip(segment, b.record(end+1))
	done, err := b.repair(func(c *RepairConfig) { c.CutJournal = true })
	if err != nil || !done.Done || !done.Missing || len(done.Dropped) != 1 || done.Dropped[0].Calls != 3 {
		t.Fatalf("%+v, %v", done, err)
	}
	if err := os.Remove(b.config.Anchor); err != nil {
		t.Fatal(err)
	}
	s = open(t, b.config)
	defer shut(t, s)
	customer(t, s, "other", "10.00")
	if n := number(t, s, "other"); n != lates {
		t.Fatalf("number %d, want that of the one that is gone, %d", n, lates)
	}
	if n := s.meter.Open(lates, 0); len(n) > 0 {
		t.Errorf("the new account has calls: %v", n)
	}
	if n := s.meter.Open(acmes, 0); len(before) == 0 || !maps.Equal(n, before) {
		t.Errorf("acme has %v, want %v", n, before)
	}
	advance(t, s, s.Now().Truncate(time.Hour).Add(time.Hour))
	if got := balance(t, s, "other"); got != "10.00" {
		t.Errorf("balance %s of an account that called nothing", got)
	}
}

func number(t *testing.T, s *Service, id string) uint32 {
	t.Helper()
	a, err := s.engine.Account(id)
	if err != nil {
		t.Fatal(err)
	}
	return a.Number
}
