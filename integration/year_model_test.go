package integration

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// yearWorld is what all modelled accounts share.
type yearWorld struct {
	books            []*yearBook // in the order in which they take force
	grace, retention int64
	floor            int64 // nothing is released before it (D23)

	mu     sync.Mutex
	trials map[string]bool // customers who have had theirs (D29)
}

func (w *yearWorld) book(at int64) (found *yearBook) {
	for _, b := range w.books {
		if b.from <= at {
			found = b
		}
	}
	return found
}

// yearAccount is the test's own idea of an account. Amounts are cents, instants
// Unix seconds.
type yearAccount struct {
	*yearWorld
	id, customer        string
	balance, limit, low int64
	payPerUse           bool

	arrears, grace, retention int64 // since when, and the law of then
	released                  int64
	acknowledged              bool
	now                       int64

	uses       map[string]yearUse // by operation
	rows       map[string]yearRow // the account's own
	packs      []yearPack
	instances  []yearInstance
	terms      int // numbers given
	statements int
	hour       map[string]int64 // lines that are not settled: "operation funding-or-reason"
	lines      map[string]int64 // settled ones: "month operation funding-or-reason"
	months     map[string]bool  // with movements or counts, not closed
	closed     map[string][2]int64
	opening    int64
	moves      []yearMove
	events     []yearEvent
	alarms     []yearAlarm
	known      map[string]bool   // alarms that were set
	windows    map[string]window // admitted calls of one instant, by what limits them
	seen       map[string]int    // what it lived through, for the test's report
}

// yearUse is an operation's month: calls are those paid one by one, settled.
type yearUse struct {
	month       string
	free, calls int64
}

type yearPack struct {
	number, chain    int
	offer, operation string
	quota, used      int64 // by calls that are settled or not
	settled          int64 // by those that are
	bought           int64
	start, end       int64
	anchor           int64
	months, term     int
	autoRenew        bool
	renewable        int64
}

type yearMove struct {
	at, amount  int64
	month, kind string
}

type yearEvent struct {
	at            int64
	kind, subject string
}

type window struct{ at, calls int64 }

// What happens at the same instant happens in this order (D13).
const (
	dueCalls   = iota // the settlement of what was called
	dueClosing        // of the month
	dueRenewal        // what a settlement brings beside: debts without calls, auto-renewals
	dueState
	dueExpiry
	dueStart
	dueNotice
)

// yearAlarm is something that time brings, unless it is void by then.
type yearAlarm struct {
	at   int64
	rank int
	fire func(*yearAccount, int64)
}

// alarm sets one that lies ahead, once.
func (a *yearAccount) alarm(at int64, rank int, key string, fire func(*yearAccount, int64)) {
	if key = fmt.Sprint(at, " ", key); at > a.now && !a.known[key] {
		a.known[key] = true
		a.alarms = append(a.alarms, yearAlarm{at, rank, fire})
	}
}

// pass lets time go by.
func (a *yearAccount) pass(to int64) {
	for {
		next := -1
		for i, al := range a.alarms {
			if al.at <= to && (next < 0 || al.at < a.alarms[next].at || al.at == a.alarms[next].at && al.rank < a.alarms[next].rank) {
				next = i
			}
		}
		if next < 0 {
			a.now = to
			return
		}
		al := a.alarms[next]
		a.alarms = slices.Delete(slices.Clone(a.alarms), next, next+1)
		a.now = al.at
		if a.released == 0 || al.rank <= dueClosing {
			al.fire(a, al.at)
		}
	}
}

// clone shares nothing that changes, but for the world.
func (a *yearAccount) clone() *yearAccount {
	c := *a
	c.uses, c.rows, c.hour, c.lines = maps.Clone(a.uses), maps.Clone(a.rows), maps.Clone(a.hour), maps.Clone(a.lines)
	c.months, c.closed, c.known, c.windows = maps.Clone(a.months), maps.Clone(a.closed), maps.Clone(a.known), maps.Clone(a.windows)
	c.seen = map[string]int{}
	c.packs, c.alarms, c.moves, c.events = slices.Clone(a.packs), slices.Clone(a.alarms), slices.Clip(a.moves), slices.Clip(a.events)
	c.instances = nil
	for _, i := range a.instances {
		i.terms, i.images = slices.Clone(i.terms), maps.Clone(i.images)
		c.instances = append(c.instances, i)
	}
	return &c
}

func (w *yearWorld) open(id, customer string, now, limit, low int64, payPerUse bool) *yearAccount {
	a := &yearAccount{yearWorld: w, id: id, customer: customer, limit: limit, low: low, payPerUse: payPerUse, now: now,
		uses: map[string]yearUse{}, rows: map[string]yearRow{}, hour: map[string]int64{}, lines: map[string]int64{}, months: map[string]bool{},
		closed: map[string][2]int64{}, known: map[string]bool{}, windows: map[string]window{}, seen: map[string]int{}}
	a.alarm(nextMonth(now), dueClosing, "month", (*yearAccount).closeMonth)
	return a
}

func (a *yearAccount) event(at int64, kind, subject string) {
	a.events = append(a.events, yearEvent{at, kind, subject})
}

// move changes the balance within a month.
func (a *yearAccount) move(at int64, month, kind string, amount int64) {
	a.months[month] = true
	if amount != 0 {
		a.balance += amount
		a.moves = append(a.moves, yearMove{at, amount, month, kind})
	}
}

// fellLow tells of a balance that was not low before (D24).
func (a *yearAccount) fellLow(at, before int64) {
	if a.arrears == 0 && !a.owes() && before >= a.low && a.balance < a.low {
		a.event(at, "notice-low-balance", "")
	}
}

func (a *yearAccount) owes() bool { return a.arrears == 0 && a.released == 0 && a.balance < -a.limit }

// watchDebt judges at the hour's end what owes without calls (D19).
func (a *yearAccount) watchDebt() {
	if a.owes() {
		a.alarm(nextHour(a.now), dueRenewal, "debt", func(a *yearAccount, at int64) {
			if a.owes() {
				a.enterArrears(at)
			}
		})
	}
}

func (a *yearAccount) enterArrears(at int64) {
	a.arrears, a.grace, a.retention = at, a.yearWorld.grace, a.yearWorld.retention
	a.event(at, "arrears", "")
	key := fmt.Sprint("of arrears ", at)
	retained, due := at+a.grace, at+a.grace+a.retention
	still := func(then func(*yearAccount, int64)) func(*yearAccount, int64) {
		return func(a *yearAccount, now int64) {
			if a.arrears == at {
				then(a, now)
			}
		}
	}
	a.alarm(retained, dueState, "retention "+key, still(func(a *yearAccount, at int64) { a.event(at, "retention", "") }))
	a.alarm(due, dueState, "release "+key, still((*yearAccount).release))
	for _, days := range []int64{7, 3, 1} {
		if when := due - days*aDay; when >= at {
			a.alarm(when, dueNotice, fmt.Sprint("notice ", key), still(func(a *yearAccount, at int64) { a.event(at, "notice-release", "") }))
		}
	}
}

// release ends everything, but not within a day of a start (D23).
func (a *yearAccount) release(at int64) {
	if a.floor > at {
		since := a.arrears
		a.seen["release of an account that waited"]++
		a.alarm(a.floor, dueState, fmt.Sprint("release of arrears ", since), func(a *yearAccount, at int64) {
			if a.arrears == since {
				a.release(at)
			}
		})
		return
	}
	a.released = at
	a.event(at, "released", "")
	for i := range a.packs {
		a.packs[i].end = min(a.packs[i].end, at)
	}
	for i := range a.instances {
		in := &a.instances[i]
		if in.released == 0 {
			in.released, in.images, in.uncertain = at, nil, 0
		}
	}
}

// leaveArrears is at once (D22).
func (a *yearAccount) leaveArrears() {
	if a.arrears != 0 && a.released == 0 && a.balance >= -a.limit {
		a.arrears = 0
		a.event(a.now, "active", "")
	}
}

// state is the account's word (D20).
func (a *yearAccount) state() string {
	switch {
	case a.released != 0:
		return "released"
	case a.arrears == 0:
		return "active"
	case a.now < a.arrears+a.grace:
		return "grace"
	}
	return "retention"
}

// closeMonth makes the statement of the month that ends (D37).
func (a *yearAccount) closeMonth(at int64) {
	a.alarm(nextMonth(at), dueClosing, "month", (*yearAccount).closeMonth)
	month := monthOf(at - 1)
	if !a.months[month] {
		return
	}
	delete(a.months, month)
	a.statements++
	a.closed[month] = [2]int64{a.opening, a.balance}
	a.opening = a.balance
	a.event(at, "notice-statement", fmt.Sprint("statement:", a.statements))
}
