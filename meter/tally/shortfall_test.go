package tally

import (
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

// A word that is damaged while the tally is open is found before it is sealed:
// the slot has its last synced value then, and all later resumes know.
func TestMendEveryBit(t *testing.T) {
	t.Parallel()
	for bit := range slotBytes * 8 {
		f, n := damageable(t)
		if err := f.Mend(); err != nil || !f.Shortfall().None() {
			t.Fatalf("whole: %v, %+v", err, f.Shortfall())
		}
		word := &f.slots.slot(n)[bit/64]
		word.Store(word.Load() ^ 1<<(bit%64))
		if err := f.Mend(); err != nil {
			t.Fatal(err)
		}
		if got := counts(f); got[payg] != 5 || got[refused] != 9 {
			t.Fatalf("bit %d: %v", bit, got)
		}
		s := f.Shortfall()
		if s.Damaged != 1 || s.PowerLosses != 0 || !s.Concerns(payg.Account) || s.Concerns(payg.Account+1) {
			t.Fatalf("bit %d: %+v", bit, s)
		}
		f.Add(n)
		g, rep := reopen(t, f, Config{})
		if got := counts(g); got[payg] != 6 || !rep.LowerBound() || g.Shortfall().Damaged != 1 {
			t.Fatalf("bit %d: later %v, %+v", bit, got, rep)
		}
		g.crash()
	}
}

// A slot whose line is not known, or that no sync has seen, concerns anybody.
func TestShortfallOfWhoKnowsWhom(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: -1})
	n := mustSlot(t, f, payg)
	add(f, n, 5) // never synced
	f.slots.slot(n)[wordWho].Store(0)
	if err := f.Mend(); err != nil {
		t.Fatal(err)
	}
	if s := f.Shortfall(); s.Damaged != 1 || !s.Concerns(payg.Account+1) {
		t.Errorf("%+v", s)
	}
	g := create(t, Config{SyncInterval: -1})
	for i := range uint32(mostAccounts + 1) {
		g.Add(mustSlot(t, g, account.Line{Account: i + 1, Operation: 1, Kind: account.PayPerUse}))
	}
	mustSync(t, g)
	for i, more := range []uint32{0, mostAccounts} {
		for n := range mostAccounts + uint32(i) {
			g.slots.slot(n)[wordCount].Store(1 << 40)
		}
		if err := g.Mend(); err != nil {
			t.Fatal(err)
		}
		if s := g.Shortfall(); s.Damaged != mostAccounts+uint64(i) || !s.Concerns(1) || s.Concerns(1000) != (more > 0) {
			t.Errorf("%d damaged: %+v", s.Damaged, s)
		}
	}
}

// A power loss is no damage, and says what it may have taken at most.
func TestShortfallOfAPowerLoss(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: -1, boot: "one"})
	add(f, mustSlot(t, f, payg), 3)
	mustSync(t, f)
	g, rep := reopen(t, f, Config{SyncInterval: time.Hour, boot: "two"})
	s := g.Shortfall()
	if rep.LowerBound() || s.Damaged != 0 || s.PowerLosses != 1 || s.SyncInterval != time.Hour || !s.Concerns(1000) {
		t.Errorf("%+v, %+v", rep, s)
	}
	g.crash()
}
