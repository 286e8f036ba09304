package billing

import (
	"reflect"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger/journal"
)

// accept lets the clock jump to an instant (Unix seconds) that the operator
// accepts.
func (r *rig) accept(t tester, to int64) {
	t.Helper()
	if err := r.AcceptClock(r.now, to*1e9); err != nil {
		t.Fatal(err)
	}
	r.now = to * 1e9
}

// inRetention has accounts of three blocks in retention, of which each is due to
// be released at an instant, and gives that.
func inRetention(t *testing.T) (r *rig, ids []string, due int64) {
	r, ids = withThreeBlocks(t, november)
	none := "0.00"
	for _, id := range ids {
		r.must(t, id, &account.ChangeAccount{CreditLimit: &none})
	}
	r.settle(t, november.Unix(), payPerUse(1, 10), payPerUse(64, 10), payPerUse(130, 10))
	r.live(t, november.Unix()+20*day)
	due = november.Unix() + hour + 30*day
	for _, id := range ids {
		if a := r.account(t, id); !a.Retained || a.ReleaseDue(0) != due {
			t.Fatalf("%s is not in retention until %d: %+v", id, due, a)
		}
	}
	return r, ids, due
}

// released fails unless all are released at an instant, 0 = not at all.
func (r *rig) released(t tester, ids []string, want int64, when string) {
	t.Helper()
	for _, id := range ids {
		if a := r.account(t, id); a.Released != want {
			t.Fatalf("%s: %s was released at %d, want %d", when, id, a.Released, want)
		}
	}
}

// TestAJumpForwardPutsReleasesOff for a day from where the clock is then (D23).
func TestAJumpForwardPutsReleasesOff(t *testing.T) {
	r, ids, due := inRetention(t)
	to := due + 400*day
	r.accept(t, to)
	r.live(t, to+day-1)
	r.released(t, ids, 0, "less than a day after the jump")
	r.crash(t)
	r.open(t) // a start puts them off again, from its own instant
	start := to + day - 1
	r.live(t, start+day-1)
	r.released(t, ids, 0, "less than a day after the start")
	r.live(t, start+day)
	r.released(t, ids, start+day, "in the end")
	r.survives(t)
	r.verified(t)
}

// TestAJumpThatIsTakenBack: a wrong jump forward, taken back, neither releases
// anybody nor puts releases off until the instant it jumped to. Commands come into
// the open month, ahead of the clock, and release nobody either.
func TestAJumpThatIsTakenBack(t *testing.T) {
	r, ids, due := inRetention(t)
	wrong, right := due+400*day, r.now/1e9+hour
	r.accept(t, wrong)
	r.live(t, wrong+2*hour)
	settled := r.Meta().Settled
	r.accept(t, right)
	for range 2 {
		r.must(t, ids[0], &account.TopUp{Amount: "0.01", Reference: "r"}) // too little
		r.live(t, right+23*hour)
		r.released(t, ids, 0, "after it was taken back")
		if from := r.ReleasesFrom(); from > r.now/1e9+day {
			t.Fatalf("releases are put off until %d, the clock is at %d", from, r.now/1e9)
		}
		r.crash(t)
		r.open(t)
	}
	if m := r.Meta(); m.Settled < settled {
		t.Fatalf("settled until %d, and before %d", m.Settled, settled)
	}
	for _, v := range r.survives(t).Movements[ids[0]] {
		if v.Kind == account.MoveTopUp && v.At < settled*1e9 {
			t.Errorf("a movement at %d, and all until %d is settled", v.At, settled)
		}
	}
	r.live(t, due)
	r.released(t, ids, due, "when it is due by the right clock")
	r.survives(t)
	r.verified(t)
}

// TestReleasesWaitWhileTheClockIsDoubted, also where a command comes (D23), and
// where hours that lie ahead of a clock that was put back are settled.
func TestReleasesWaitWhileTheClockIsDoubted(t *testing.T) {
	r, ids, due := inRetention(t)
	doubted := true
	r.Engine.Doubted = func() bool { return doubted }
	r.now = (due + day) * 1e9
	r.must(t, ids[0], &account.TopUp{Amount: "0.01", Reference: "r"})
	r.released(t, ids, 0, "while the clock is doubted")
	doubted = false
	r.accept(t, due-2*day)
	r.settle(t, due+hour, payPerUse(64, 1))
	r.released(t, ids, 0, "by an hour ahead of the clock")
	r.live(t, due)
	r.released(t, ids, due, "when it is due")
	r.survives(t)
	r.verified(t)
}

// TestReleaseIsNotMissedAfterAJumpBack: what the index of what is due knew by the
// later floor does not hold any more.
func TestReleaseIsNotMissedAfterAJumpBack(t *testing.T) {
	r, ids, due := inRetention(t)
	r.accept(t, due+400*day)
	r.live(t, due+400*day+hour) // everything was looked at
	r.accept(t, due)
	r.live(t, due+day)
	r.released(t, ids, due+day, "a day after it was taken back")
	r.survives(t)
}

// TestRecordsWhoseInstantsGoBack are folded, replayed and verified as they were
// made, also where a kill came at each step of a jump.
func TestRecordsWhoseInstantsGoBack(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	r.must(t, ids[0], &account.TopUp{Amount: "50.00", Reference: "r"})
	at := november.Unix()
	for n, jump := range []int64{400 * day, -400 * day, -2 * hour, 2 * hour, 30 * day} {
		r.must(t, ids[0], &account.BuyPackage{Package: "tagging-50", AutoRenew: n%2 == 0})
		start := max(at, r.Meta().Settled)
		r.settle(t, start-start%hour+hour, payPerUse(1, 30), payPerUse(64, 30))
		if err := r.AcceptClock(r.now, r.now+jump*1e9); err != nil {
			t.Fatal(err)
		}
		if n%2 == 0 { // the record was durable when the process was killed
			r.crash(t)
			r.now += jump * 1e9
			r.open(t)
		} else {
			r.now += jump * 1e9
		}
		at = r.now / 1e9
		r.live(t, at)
		r.must(t, ids[1], &account.TopUp{Amount: "1.00", Reference: "r"})
	}
	var before []int64
	back := 0
	for rec, err := range r.log.Read(1) {
		if err != nil {
			t.Fatal(err)
		}
		if len(before) > 0 && rec.At < before[len(before)-1] {
			back++
		}
		before = append(before, rec.At)
	}
	if back == 0 {
		t.Error("no instant goes back: the test shows nothing")
	}
	b := r.survives(t)
	r.verified(t)
	replayed := 0
	for _, s := range b.Bills {
		if s.Account != ids[0] {
			continue
		}
		again, err := r.Replay(t.Context(), ids[0], s.Month, "recognition/image-tagging")
		if err != nil || !again.Same {
			t.Errorf("%s: %+v, %v", s.Month, again, err)
		}
		replayed += len(again.Hours)
	}
	if replayed == 0 {
		t.Error("nothing was replayed")
	}
}

// TestCommandsAfterEmptyHours: they are past as well, though no record says so yet.
func TestCommandsAfterEmptyHours(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	r.must(t, "a", &account.CreateAccount{})
	until := november.Unix() + 2*hour
	if err := r.Reach(until); err != nil {
		t.Fatal(err)
	}
	r.now = november.AddDate(0, 0, -400).UnixNano()
	r.must(t, "a", &account.TopUp{Amount: "1.00", Reference: "r"})
	if a := r.account(t, "a"); a.LastMovement != until || len(a.Months) != 1 || a.Months[0].Month != 202611 {
		t.Errorf("a command of %s, in %+v, want %s", time.Unix(a.LastMovement, 0).UTC(), a.Months, time.Unix(until, 0).UTC())
	}
}

// TestLastKnown: what a start may know of the clock, by the file that says where
// it stood and what the journal has since.
func TestLastKnown(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	last := func(m ClockMark) int64 {
		t.Helper()
		at, err := LastKnown(r.log, m, r.Meta().Settled)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	is := func(what string, m ClockMark, want int64) {
		t.Helper()
		if got := last(m); got != want {
			t.Errorf("%s: %s, want %s", what, time.Unix(0, got).UTC(), time.Unix(0, want).UTC())
		}
	}
	topUp := func() { r.must(t, ids[0], &account.TopUp{Amount: "1.00", Reference: "r"}) }
	is("an old ledger without a mark", ClockMark{}, r.now)
	mark := r.ClockMark()
	is("nothing since", mark, r.now)
	mark.Event += 30e9
	is("the mark is later", mark, r.now+30e9)
	r.now += 60e9
	topUp()
	is("a command since", mark, r.now)
	is("no mark", ClockMark{}, r.now)
	r.settle(t, november.Unix()+5*hour, payPerUse(1, 1)) // ahead of the clock, as after a jump back
	is("no mark, and what is settled lies ahead", ClockMark{}, (november.Unix()+6*hour)*1e9)
	is("a mark", mark, r.now)
	ahead := r.ClockMark()
	topUp()
	is("a command that is dated by what is settled", ahead, r.now)
	is("the same, and what settled it since", mark, r.now)
	r.accept(t, november.Unix()+400*day)
	is("a jump", ahead, r.now)
	is("a jump, no mark", ClockMark{}, r.now)
	r.now += 1e9
	topUp()
	is("a command after a jump", mark, r.now)
	r.settle(t, november.Unix()+400*day, payPerUse(1, 1))
	r.accept(t, november.Unix()+day)
	topUp()
	for what, m := range map[string]ClockMark{"before both jumps": mark, "as well": ahead, "after": r.ClockMark()} {
		is("a jump back, with a mark from "+what, m, r.now)
	}
	if log, err := LastKnown(emptyJournal(t), ClockMark{}, 0); log != 0 || err != nil {
		t.Errorf("an empty journal knows %d, %v", log, err)
	}
}

// TestLastUsed: a start, and the book that it brings, are no use of the ledger.
func TestLastUsed(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	mark := r.ClockMark()
	is := func(what string, want int64) {
		t.Helper()
		if got, err := LastUsed(r.log, mark); err != nil || got != want {
			t.Errorf("%s: %s, want %s; %v", what, time.Unix(0, got).UTC(), time.Unix(0, want).UTC(), err)
		}
	}
	used := r.now
	is("nothing since", used)
	r.now += 60e9
	r.close(t)
	r.open(t)
	if r.log.Head().Seq == mark.Input {
		t.Fatal("a start is not in the journal")
	}
	is("a start", used)
	r.must(t, ids[0], &account.TopUp{Amount: "1.00", Reference: "r"})
	is("a command", r.now)
	r.accept(t, november.Unix()-day)
	is("a jump back", r.now)
}

// TestTheFoldOfAJump is from its record alone.
func TestTheFoldOfAJump(t *testing.T) {
	r, _ := withThreeBlocks(t, november)
	for _, to := range []int64{400 * day, -3 * day, 5 * hour} {
		r.accept(t, november.Unix()+to)
		want := r.Meta()
		if from := r.ReleasesFrom(); from != november.Unix()+to+day {
			t.Fatalf("releases from %d after a jump to %d", from, november.Unix()+to)
		}
		f := r.newRefold(0, 3, false)
		f.progress = func(uint64, uint64) {}
		if err := f.fold(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := f.store.meta; !reflect.DeepEqual(got.Started, want.Started) {
			t.Errorf("folded again it is started at %d, not %d", got.Started, want.Started)
		}
	}
}

func emptyJournal(t *testing.T) *journal.Journal {
	t.Helper()
	j, _, err := journal.Open(journal.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}
