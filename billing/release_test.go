package billing

import (
	"reflect"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// TestNoStateIsSkipped: after six weeks of downtime the states that were passed
// meanwhile are recorded in order and at their instants (D20), and the release
// waits for a day after the start (D23).
func TestNoStateIsSkipped(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	watcher := newListener()
	none := "0.00"
	for _, id := range ids {
		r.must(t, id, &account.ChangeAccount{CreditLimit: &none})
	}
	r.settle(t, november.Unix(), payPerUse(1, 10), payPerUse(64, 10), payPerUse(130, 10))
	arrears := november.Unix() + hour
	r.crash(t)
	start := arrears + 42*day
	r.now, r.watcher = start*1e9, watcher
	r.open(t)
	if a := r.account(t, ids[0]); a.StateAt(start) != account.Retention {
		t.Fatalf("at the start it is %s", a.StateAt(start))
	}
	r.live(t, start+day-1)
	states := []account.EventKind{account.EventArrears, account.EventRetention, account.EventReleased}
	for _, id := range ids {
		if got := kinds(r.events(t, id), states...); !reflect.DeepEqual(got, states[:2]) {
			t.Fatalf("%s: %v less than a day after the start", id, got)
		}
	}
	r.live(t, start+day)
	b := r.survives(t)
	for _, id := range ids {
		if got := kinds(b.Events[id], states...); !reflect.DeepEqual(got, states) {
			t.Fatalf("%s: %v", id, got)
		}
		a := b.Accounts[id]
		for _, v := range b.Events[id] {
			want := map[account.EventKind]int64{account.EventArrears: arrears, account.EventRetention: arrears + 15*day, account.EventReleased: start + day}
			if at, ok := want[v.Kind]; ok && v.At != at {
				t.Errorf("%s: %s at %d, want %d", id, v.Kind, v.At, at)
			}
			if told := watcher.events[a.Number][v.Number]; v.Kind != account.EventArrears && told != v {
				t.Errorf("%s: %+v was told as %+v", id, v, told)
			}
		}
		if told := watcher.accounts[a.Number]; told.Released != start+day {
			t.Errorf("%s: the watcher has %+v", id, told)
		}
	}
}

// TestAReleaseIsNeverUndone: not by a payment, not by another start (D20, D23).
func TestAReleaseIsNeverUndone(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	id, none := ids[1], "0.00"
	r.must(t, id, &account.TopUp{Amount: "20.00", Reference: "r"})
	r.must(t, id, &account.Subscribe{Instance: "shop", Row: "large", Months: 2})
	r.must(t, id, &account.ChangeAccount{CreditLimit: &none})
	r.must(t, id, &account.Adjust{Amount: "-10.00", Reason: "mistyped", Reference: "r"})
	r.live(t, november.Unix()+40*day)
	a := r.account(t, id)
	if a.Released != november.Unix()+hour+30*day || a.Instances[0].Released != a.Released {
		t.Fatalf("released at %d, its instance at %d", a.Released, a.Instances[0].Released)
	}
	for range 2 {
		r.must(t, id, &account.TopUp{Amount: "50.00", Reference: "r"})
		r.refused(t, id, &account.BuyPackage{Package: "tagging-50"}, account.NotAllowed)
		r.crash(t)
		r.open(t)
		r.live(t, r.now/1e9+hour)
	}
	r.must(t, id, &account.AcknowledgeRelease{})
	b := r.survives(t)
	if got := kinds(b.Events[id], account.EventReleased, account.EventActive); !reflect.DeepEqual(got, []account.EventKind{account.EventReleased}) {
		t.Errorf("%v", got)
	}
	if is := b.Accounts[id]; is.Released != a.Released || !is.ReleaseAck {
		t.Errorf("%+v", is)
	}
	if s, err := r.Statement(id, 202612); err != nil || s.Closing != "93.98" { // 20 − 16.02 − 10 + 2·50
		t.Errorf("statement after the release: %s, %v", s.Closing, err)
	}
}

// TestInstanceReleaseWaitsForAStart, too (D32, D23).
func TestInstanceReleaseWaitsForAStart(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	id := ids[2]
	r.must(t, id, &account.Subscribe{Instance: "shop", Row: "small", Months: 1})
	due := december.Unix() + 15*day
	r.live(t, due-hour)
	r.crash(t)
	r.open(t)
	r.live(t, due+22*hour)
	if i := r.account(t, id).Instances[0]; i.Released != 0 {
		t.Fatalf("released at %d, %d s after the start", i.Released, i.Released-due+hour)
	}
	r.live(t, due+23*hour)
	b := r.survives(t)
	if i := b.Accounts[id].Instances[0]; i.Released != due+23*hour {
		t.Errorf("released at %d, want %d", i.Released, due+23*hour)
	}
	if got := kinds(b.Events[id], account.EventTermExpired, account.EventInstanceReleased); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// TestAStartWithAnEarlierClock brings no release forward (D23).
func TestAStartWithAnEarlierClock(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	r.must(t, ids[0], &account.Subscribe{Instance: "shop", Row: "small", Months: 1})
	due := december.Unix() + 15*day
	r.crash(t)
	r.now = (due - hour) * 1e9
	r.open(t)
	r.crash(t)
	r.now = (due - 20*hour) * 1e9
	r.open(t)
	r.live(t, due+10*hour)
	if i := r.account(t, ids[0]).Instances[0]; i.Released != 0 {
		t.Fatalf("released %d s after a start", i.Released-due+hour)
	}
	r.live(t, due+23*hour)
	if i := r.survives(t).Accounts[ids[0]].Instances[0]; i.Released != due+23*hour {
		t.Errorf("released at %d, want %d", i.Released, due+23*hour)
	}
}
