package inprocess

import (
	"math/rand/v2"
	"testing"
)

// A small history is replayed to what it was: the fold refuses anything else.
func TestReplay(t *testing.T) {
	dir := t.TempDir()
	lines, records, err := history{"", 100, 1}.settle(t.Context(), dir, rand.New(rand.NewPCG(1, 2)), t.Logf)
	if err != nil || lines < 10_000 || records < 744 {
		t.Fatalf("%d lines, %d records, %v", lines, records, err)
	}
	if _, err := rebuild(dir); err != nil {
		t.Fatal(err)
	}
}

// The heavy account has as many calls a day as it says, and a statement.
func TestHeavyStatement(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	calls := uint64(0)
	for hour := range 24 * 10 {
		for _, c := range heavyHour(hour, random) {
			if c.Kind.Billed() {
				calls += c.Calls
			}
		}
	}
	if daily := calls / 10; daily < heavyDaily*95/100 || daily > heavyDaily*105/100 {
		t.Errorf("%d calls a day", daily)
	}
	dir := t.TempDir()
	if _, err := settleHeavy(t.Context(), dir, random); err != nil {
		t.Fatal(err)
	}
	ms, size, err := askStatements(t.Context(), dir, 2)
	if err != nil || len(ms) != 2 || size < 10_000 {
		t.Errorf("%v, %d bytes, %v", ms, size, err)
	}
}
