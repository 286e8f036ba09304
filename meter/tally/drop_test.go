package tally

import (
	"testing"

	"github.com/tallygate/tallygate/account"
)

// TestDrop forgets lines for good, and keeps the others with their counts.
func TestDrop(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), SyncInterval: -1}
	f, err := Create(cfg, Header{Node: "test", Start: 1796054400, Length: 3600})
	if err != nil {
		t.Fatal(err)
	}
	for number := range uint32(200) {
		slot, err := f.Slot(account.Line{Account: number, Operation: 1, Kind: account.PayPerUse})
		if err != nil {
			t.Fatal(err)
		}
		for range number + 1 {
			f.Add(slot)
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	dropped, err := f.Drop(func(l account.Line) bool { return l.Account < 150 })
	if err != nil || len(dropped) != 50 || dropped[0].Account != 150 || dropped[0].Calls != 151 {
		t.Errorf("dropped %d: %+v, %v", len(dropped), dropped[0], err)
	}
	for range 3 { // also when it was opened again
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		var report Report
		if f, report, err = Open(cfg, f.Path()); err != nil || len(report.Faults)+len(report.Damaged) > 0 {
			t.Fatalf("%+v, %v", report, err)
		}
		left := 0
		for _, c := range f.Each() {
			if left++; c.Account >= 150 || c.Calls != uint64(c.Account)+1 {
				t.Errorf("%+v", c)
			}
		}
		if left != 150 {
			t.Errorf("%d lines are left, want 150", left)
		}
	}
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
}
