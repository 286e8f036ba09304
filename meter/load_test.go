package meter

import (
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

// Folding the journal's tail tells of every command before the accounts are
// loaded: what is left of a package then is as of that command, not as of the
// settlements after it (D18).
func TestLoadReplacesWhatTheFoldTold(t *testing.T) {
	m := newMeter(t, t.TempDir(), NewTestClock(testStart))
	view := View{Number: 1, FreeUsed: []FreeUsed{{opTagging, 202611, 3}}, Packages: []Package{
		{Number: 1, Operation: opTagging, Left: 5, Start: at(testStart), End: at(testStart.Add(time.Hour))}}}
	m.Update(view)
	view.Packages = []Package{view.Packages[0]}
	view.Packages[0].Left = 1
	k := keyFor(t, m, view, "")
	h, v := m.Admit(Call{Key: k, Operation: opTagging})
	if v.Reason != 0 || line(h) != "package:1" {
		t.Fatalf("the call that is left: %s %s", line(h), v.Reason)
	}
	if _, v := m.Admit(Call{Key: k, Operation: opTagging}); v.Reason != account.PaymentRequired {
		t.Fatalf("one call more than is left: %s, want %s", v.Reason, account.PaymentRequired)
	}
	m.Release(&h, account.FailedStatus)
}

// TestResumeBeforeLongerPeriods: a period that ended unsealed is over, also
// where periods have become longer since and one of them would begin like it.
func TestResumeBeforeLongerPeriods(t *testing.T) {
	dir := t.TempDir()
	clock := NewTestClock(testStart)
	first := newMeter(t, dir, clock)
	first.config.Period = func(unix int64) (int64, int64, uint32) { return unix - unix%60, 60, 202611 }
	k := keyFor(t, first, View{Number: 1, PayPerUse: true}, "")
	h, v := first.Admit(Call{Key: k, Operation: opTagging})
	if v.Reason != 0 {
		t.Fatal(v.Reason)
	}
	first.Post(&h)
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := clock.Set(testStart.Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	second := newMeter(t, dir, clock)
	second.SetFloor(testStart.Unix())
	resumeAll(t, second, dir)
	p, err := second.Roll(clock.Now().Event)
	if err != nil {
		t.Fatal(err)
	}
	if want := at(testStart.Add(time.Minute)); p.start != want {
		t.Errorf("the next period begins %v after the one that ended", time.Duration(p.start-want))
	}
}

// TestLateFreeCallAfterARestart: it was admitted in the month before, and uses
// nothing of the new month's allowance (D6).
func TestLateFreeCallAfterARestart(t *testing.T) {
	newMonth := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	dir, clock := t.TempDir(), NewTestClock(newMonth.Add(-time.Minute))
	first := newMeter(t, dir, clock)
	k := keyFor(t, first, View{Number: 1}, "")
	late, _ := first.Admit(Call{Key: k, Operation: opTagging})
	if err := clock.Set(newMonth); err != nil {
		t.Fatal(err)
	}
	h, _ := first.Admit(Call{Key: k, Operation: opTagging})
	first.Post(&h)
	if _, err := first.Seal(t.Context(), first.Ended()[0], time.Millisecond); err != nil {
		t.Fatal(err)
	}
	first.Post(&late)
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := newMeter(t, dir, clock)
	k = keyFor(t, second, View{Number: 1}, "")
	resumeAll(t, second, dir)
	for call := range 2 {
		h, v := second.Admit(Call{Key: k, Operation: opTagging})
		if v.Reason != 0 || line(h) != "free:202612" {
			t.Fatalf("call %d of those left: %s %s", call, line(h), v.Reason)
		}
		second.Post(&h)
	}
	if _, v := second.Admit(Call{Key: k, Operation: opTagging}); v.Reason != account.PaymentRequired {
		t.Errorf("beyond the allowance: %s", v.Reason)
	}
}
