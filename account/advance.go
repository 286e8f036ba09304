package account

import (
	"cmp"

	"github.com/tallygate/tallygate/rating"
)

// Things happen to an account by time alone: terms end and begin, states pass,
// packages renew themselves, notices fall due. When they do follows from the
// account, so that nobody has to watch: Advance looks for what is due, in
// order, whether it was called a second or a month ago.

// rank orders what is due at the same instant (D13).
type rank uint8

const (
	rankSettlement rank = iota // auto-renewals, and arrears of accounts without usage
	rankState
	rankExpiry
	rankStart
	rankNotice
)

// due is something that happens at an instant. No two that have not happened
// share instant, rank and order: one of them would be taken for the other and
// never happen.
type due struct {
	at    int64 // Unix seconds
	rank  rank
	order uint64 // among equals, see orderOf
	// happen changes the account. It gets the environment of its instant.
	happen func(e Env) Effects
}

// What has numbers of its own, for orderOf. The account has order 0.
const (
	ofPackage = iota
	ofLapse   // of a package, where it can be renewed no more
	ofInstance
	ofTerm // of a subscription
)

// orderOf goes by number, and keeps things of different kinds apart.
func orderOf(kind uint64, number uint32) uint64 { return uint64(number)<<2 | kind }

func (d due) compare(o due) int {
	return cmp.Or(cmp.Compare(d.at, o.at), cmp.Compare(d.rank, o.rank), cmp.Compare(d.order, o.order))
}

// Advance lets everything happen that is due until an instant (Unix seconds),
// that instant included. Any sequence of calls that ends at the same instant
// leads to the same account and the same events (D20).
func (a *Account) Advance(until int64, e Env) Effects {
	all, _ := a.advance(until, e)
	return all
}

// advance also reports whether anything happened.
func (a *Account) advance(until int64, e Env) (all Effects, happened bool) {
	if a.quiet(until) {
		return all, false
	}
	for last := a.seen(); ; happened = true {
		d, ok := a.next(last, e)
		if !ok || d.at > until {
			return all, happened
		}
		all.add(d.happen(e.at(d.at)))
		if d.compare(last) > 0 {
			last = d
		}
		a.Seen = last.at
		a.prune()
	}
}

// quiet reports whether it is plain that nothing is due until an instant: so it
// is for most accounts at most settlements, which need not look any closer.
func (a *Account) quiet(until int64) bool {
	if a.Arrears != 0 || a.owes() {
		return a.Released != 0
	}
	soon := func(start, end int64) bool {
		return end-noticesOfExpiry[0]*day <= until || start > a.Seen && start <= until
	}
	for i := range a.Packages {
		if p := &a.Packages[i]; soon(p.Start, p.End) && (p.Start > a.Seen || a.lastTerm(p.Number) == p) {
			return false
		}
	}
	for i := range a.Subscriptions {
		if s := &a.Subscriptions[i]; soon(s.Start, s.End) && !s.Void && (s.Start > a.Seen || a.lastOf(s.Instance) == s) {
			return false
		}
	}
	return true
}

// seen stands behind everything that has happened.
func (a *Account) seen() due { return due{at: a.Seen, rank: rankNotice, order: ^uint64(0)} }

// NextDue is when something happens to the account by time alone, and false if
// nothing ever does.
func (a *Account) NextDue(e Env) (unix int64, ok bool) {
	d, ok := a.next(a.seen(), e)
	return d.at, ok
}

// next finds the first thing that is due after the last one that happened.
func (a *Account) next(last due, e Env) (first due, ok bool) {
	a.dues(last.at, e, func(d due) {
		if d.compare(last) > 0 && (!ok || d.compare(first) < 0) {
			first, ok = d, true
		}
	})
	a.states(e, func(d due) { // these know themselves whether they have happened
		if !ok || d.compare(first) < 0 {
			first, ok = d, true
		}
	})
	return first, ok
}

// dues calls yield with everything that may be due after an instant; what is
// older is passed over by the caller.
func (a *Account) dues(after int64, e Env, yield func(due)) {
	if a.Released != 0 {
		return
	}
	if a.owes() {
		a.dueArrears(after, e, yield)
	}
	last := a.lastTerms()
	for _, p := range a.Packages {
		a.packageDues(p, last[p.Chain] == p.Number, after, e, yield)
	}
	for i := range a.Instances {
		a.instanceDues(i, e, yield)
	}
	a.releaseNotices(e, yield)
}

// dueArrears: an account that owes without having been settled, by an
// adjustment or a lower limit, is judged when the hour is settled (D19).
func (a *Account) dueArrears(after int64, e Env, yield func(due)) {
	at := rating.HourEnd(after, e.Zone)
	yield(due{at: at, rank: rankSettlement, happen: func(e Env) Effects {
		return Effects{Events: []Event{a.enterArrears(max(at, a.LastMovement), e.Policy.Law)}}
	}})
}

// states are the transitions that are not recorded yet (D20, D32). They are
// found however late somebody looks, so that none is skipped.
func (a *Account) states(e Env, yield func(due)) {
	if a.Released != 0 {
		return
	}
	for i := range a.Instances {
		a.instanceRelease(i, e, yield)
	}
	if a.Arrears == 0 {
		return
	}
	if !a.Retained {
		at := a.Arrears + a.ArrearsLaw.Grace
		yield(due{at: at, rank: rankState, happen: func(Env) Effects {
			a.Retained = true
			return Effects{Events: []Event{a.event(at, EventRetention, "", "")}}
		}})
		return
	}
	at := a.ReleaseDue(e.Floor)
	yield(due{at: at, rank: rankState, happen: func(Env) Effects { return a.release(at) }})
}

// release ends everything without refund (D23).
func (a *Account) release(at int64) Effects {
	a.Released, a.ReleaseAck = at, false
	for i := range a.Packages {
		a.Packages[i].End, a.Packages[i].AutoRenew = min(a.Packages[i].End, at), false
	}
	for i := range a.Subscriptions {
		a.Subscriptions[i].Start, a.Subscriptions[i].End = min(a.Subscriptions[i].Start, at), min(a.Subscriptions[i].End, at)
	}
	for i := range a.Instances {
		a.Instances[i].dropImages()
		if a.Instances[i].Released == 0 {
			a.Instances[i].Released = at
		}
	}
	return Effects{Events: []Event{a.event(at, EventReleased, "", "delete the customer's data and acknowledge it")}}
}

func (i *Instance) dropImages() { i.Images, i.Uncertain = 0, 0 }

// releaseNotices warn of the account's release (D24), which ends what is paid
// for without refund (D23).
func (a *Account) releaseNotices(e Env, yield func(due)) {
	if a.Arrears == 0 {
		return
	}
	at := a.Arrears + a.ArrearsLaw.Grace + a.ArrearsLaw.Retention
	for _, days := range noticesOfRelease {
		if when := at - days*day; when >= a.Arrears {
			yield(due{at: when, rank: rankNotice, happen: func(Env) Effects {
				return a.notice(when, NoticeRelease, "", inDays(days)+": calls end, running packages and subscriptions end without refund, data is deleted")
			}})
		}
	}
}

// Days before a release and before an expiry on which there is a notice (D24).
var (
	noticesOfRelease = []int64{7, 3, 1}
	noticesOfExpiry  = []int64{15, 7, 3, 1}
)

func inDays(days int64) string {
	if days == 1 {
		return "in 1 day"
	}
	return "in " + itoa(days) + " days"
}

func (a *Account) notice(at int64, kind EventKind, subject, text string) Effects {
	return Effects{Events: []Event{a.event(at, kind, subject, text)}}
}

// keepEnded is how long an ended term stays in the account: until its last
// calls are settled, for all that is usual.
const keepEnded = 40 * day

// prune forgets terms that ended long ago and have no say any more.
func (a *Account) prune() {
	ended := func(end int64) bool { return end+keepEnded <= a.Seen }
	a.Packages = keep(a.Packages, func(p BoughtPackage) bool { return !ended(max(p.End, p.Renewable)) })
	last := map[uint32]bool{} // of instances whose release a restart may have put off
	for _, i := range a.Instances {
		if s := a.lastOf(i.Name); s != nil && i.Released == 0 {
			last[s.Number] = true
		}
	}
	a.Subscriptions = keep(a.Subscriptions, func(s BoughtSubscription) bool { return !ended(s.End) || last[s.Number] })
}
