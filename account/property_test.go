package account

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/rating/money"
)

const lifeSteps = 30

// lifeEnd is when everything that time alone does has happened.
const lifeEnd = 4000 * day

// TestWatchedLife: an account is a function of its inputs and the time, however
// often somebody looked in between (D20).
func TestWatchedLife(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		policy, steps := genPolicy.Draw(t, "policy"), genSteps(t, lifeSteps)
		watched, unwatched := newLife(policy), newLife(policy)
		watched.look = func(l *life, at int64) { l.advance(at) }
		end := steps[len(steps)-1].at + rapid.Int64Range(0, 100*day).Draw(t, "end")
		for _, l := range []*life{watched, unwatched} {
			l.live(steps)
		}
		for at := steps[len(steps)-1].at; at < end; at += 9 * day {
			watched.advance(at)
		}
		watched.advance(end)
		unwatched.advance(end)
		if !reflect.DeepEqual(watched.Account, unwatched.Account) || !reflect.DeepEqual(watched.events, unwatched.events) || !reflect.DeepEqual(watched.movements, unwatched.movements) {
			t.Fatalf("watched:\n%+v\n%+v\n%+v\nunwatched:\n%+v\n%+v\n%+v", watched.Account, watched.events, watched.movements,
				unwatched.Account, unwatched.events, unwatched.movements)
		}
	})
}

// TestBooksBalance: the balance is all movements less all debits, and what the
// statements closed with plus the open months (D12, D37).
func TestBooksBalance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(genPolicy.Draw(t, "policy"))
		l.each = func(l *life, _ *Account) {
			sum, open := -l.debits, l.Closed
			for i, m := range l.movements {
				if sum += m.Amount; m.Number != uint32(i+1) {
					t.Fatalf("movement %d has number %d", i+1, m.Number)
				}
			}
			for i, m := range l.Months {
				if open += m.Sum; i > 0 && m.Month <= l.Months[i-1].Month {
					t.Fatalf("months %+v", l.Months)
				}
			}
			if l.Balance != sum || l.Balance != open {
				t.Fatalf("balance %d, movements less debits %d, closed and open months %d", l.Balance, sum, open)
			}
		}
		l.live(genSteps(t, lifeSteps))
		opening, month := money.Amount(0), uint32(0)
		for i, s := range l.statements {
			if s.Opening != opening || s.Month <= month || s.Number != uint32(i+1) {
				t.Fatalf("statement %d is %+v after closing %d of %d", i+1, s, opening, month)
			}
			opening, month = s.Closing, s.Month
		}
		if l.Closed != opening {
			t.Fatalf("closed %d, the last statement %d", l.Closed, opening)
		}
	})
}

// TestStatesPass: events are numbered without gaps, states follow each other
// and none is skipped, and a release is final (D20, D23).
func TestStatesPass(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(genPolicy.Draw(t, "policy"))
		l.each = func(l *life, old *Account) {
			if l.early {
				t.Fatalf("released before %d, a day after the start: %+v", l.env.Floor, l.events)
			}
			if old.Released != 0 && l.Released != old.Released {
				t.Fatalf("released at %d, then at %d", old.Released, l.Released)
			}
		}
		steps := genSteps(t, lifeSteps)
		l.live(steps)
		now, state := steps[len(steps)-1].at+rapid.Int64Range(0, 60*day).Draw(t, "silence"), Active
		for range 5 { // and then from one thing that is due to the next
			l.advance(now)
			if state = said(t, l.events); l.StateAt(now) != state {
				t.Fatalf("state %s, the events say %s", l.StateAt(now), state)
			}
			now = max(now, first(l.NextDue(l.env)))
		}
		if _, due := l.NextDue(l.env); state == ReleasedState && due {
			t.Fatal("something is due after the release")
		}
	})
}

// TestAutoRenewalsEachHaveTheirTurn: a package that cannot be paid does not keep
// another one, tried at the same settlements, from its renewal (D17).
func TestAutoRenewalsEachHaveTheirTurn(t *testing.T) {
	l := newLife(DefaultPolicy)
	for _, c := range []Command{
		&TopUp{Amount: "11.50", Reference: "r"},
		&BuyPackage{Package: "month", AutoRenew: true}, // 9.00
		&BuyPackage{Package: "tiny", AutoRenew: true},  // 1.00, and 1.50 later
	} {
		if l.step(step{at: lifeStart, command: c}); l.refused != nil {
			t.Fatal(l.refused)
		}
	}
	l.advance(l.Packages[1].End - day + 1800)
	if l.PackagesBought != 3 || l.Balance != 0 {
		t.Errorf("after the first settlement of the last day there are %d terms, balance %d", l.PackagesBought, l.Balance)
	}
}

// TestChainOutlivesItsFirstTerm: a package that renews itself can be renewed, and
// told not to, by its first number, however long that term is over (D17).
func TestChainOutlivesItsFirstTerm(t *testing.T) {
	l := newLife(DefaultPolicy)
	l.step(step{at: lifeStart, command: &TopUp{Amount: "100.00", Reference: "r"}})
	l.step(step{at: lifeStart, command: &BuyPackage{Package: "tiny", AutoRenew: true}})
	l.advance(lifeStart + 300*day)
	for _, c := range []Command{&SetAutoRenewal{Package: 1}, &RenewPackage{Package: 1}} {
		if l.step(step{at: lifeStart + 300*day, command: c}); l.refused != nil {
			t.Error(l.refused)
		}
	}
}

// said is the state that events lead to.
func said(t *rapid.T, events []Event) State {
	state := Active
	for i, e := range events {
		if e.Number != uint32(i+1) {
			t.Fatalf("event %d has number %d", i+1, e.Number)
		}
		next, ok := passes[passage{state, e.Kind}]
		if ok {
			state = next
		} else if stateEvents[e.Kind] || state == ReleasedState && e.Kind != NoticeStatement && e.Kind != NoticePackageUsed {
			t.Fatalf("event %+v in state %s", e, state)
		}
	}
	return state
}

func first(at int64, _ bool) int64 { return at }

type passage struct {
	from State
	by   EventKind
}

var (
	passes = map[passage]State{
		{Active, EventArrears}:     Grace,
		{Grace, EventRetention}:    Retention,
		{Grace, EventActive}:       Active,
		{Retention, EventActive}:   Active,
		{Retention, EventReleased}: ReleasedState,
	}
	stateEvents = map[EventKind]bool{EventArrears: true, EventRetention: true, EventReleased: true, EventActive: true}
)

// TestNextDue: nothing happens before it, something at it.
func TestNextDue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(genPolicy.Draw(t, "policy"))
		l.live(genSteps(t, lifeSteps))
		for range 12 {
			at, ok := l.NextDue(l.env)
			if bound := l.DueBound(); ok && at < bound {
				t.Fatalf("something happens at %d, and the bound says nothing before %d", at, bound)
			}
			if !ok {
				at = lifeStart + lifeEnd
			}
			same := l.Clone()
			if f := same.Advance(at-1, l.env); !reflect.DeepEqual(f, Effects{}) || !reflect.DeepEqual(same, l.Clone()) {
				t.Fatalf("before %d: %+v", at, f)
			}
			if !ok {
				return
			}
			if l.advance(at); reflect.DeepEqual(same, l.Account) {
				t.Fatalf("at %d: nothing", at)
			}
		}
	})
}

// TestEachEndIsTold: whatever ends at the same second, each tells of itself
// once: the last term of a package when it expires and when it can be renewed
// no more, an instance when it is released (D17, D32).
func TestEachEndIsTold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(genPolicy.Draw(t, "policy"))
		last, names := map[uint32]uint32{}, map[uint32]string{}
		l.each = func(l *life, _ *Account) {
			for _, p := range l.Packages {
				last[p.Chain] = max(last[p.Chain], p.Number)
			}
			for _, i := range l.Instances {
				names[i.ID] = i.Name
			}
		}
		l.live(genSteps(t, lifeSteps))
		for i := range l.Packages {
			l.Packages[i].AutoRenew = false
		}
		if l.advance(lifeStart + lifeEnd); l.Released != 0 {
			return
		}
		told := map[string]int{}
		for _, e := range l.events {
			told[string(e.Kind)+" "+e.Subject]++
		}
		for _, n := range last {
			if told[string(EventPackageExpired)+" "+packageRef(n)] != 1 || told[string(EventPackageLapsed)+" "+packageRef(n)] != 1 {
				t.Fatalf("package %d: %v", n, told)
			}
		}
		for _, name := range names {
			told[string(EventInstanceReleased)+" "+instanceRef(name)]--
		}
		for _, name := range names {
			if told[string(EventInstanceReleased)+" "+instanceRef(name)] != 0 || told[string(EventTermExpired)+" "+instanceRef(name)] == 0 {
				t.Fatalf("instance %s: %v", name, told)
			}
		}
	})
}

// TestRefusalsChangeNothing: who is refused is told why and by which field, and is where he
// was; a command is never changed by being applied (D33).
func TestRefusalsChangeNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(genPolicy.Draw(t, "policy"))
		for _, s := range genSteps(t, lifeSteps) {
			said, _ := json.Marshal(s.command)
			old, copied := l.Account, l.Clone()
			l.step(s)
			if !reflect.DeepEqual(old, copied) {
				t.Fatalf("%s: a step changed the account it came from", said)
			}
			if now, _ := json.Marshal(s.command); string(now) != string(said) {
				t.Fatalf("command %s became %s", said, now)
			}
			if no := l.refused; no != nil && (no.Text == "" || no.Field == "" || l.Account != old) {
				t.Fatalf("%s: %+v", said, no)
			}
		}
	})
}
