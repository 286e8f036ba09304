package account

import "math"

// DueBound is a bound on NextDue: nothing happens to the account by time alone
// before it (Unix seconds). It may be too early, never too late, and costs a
// fiftieth: a start asks a million accounts. math.MinInt64 says to look closer.
func (a *Account) DueBound() int64 {
	switch {
	case a.Released != 0:
		return math.MaxInt64
	case a.Arrears != 0 || a.owes():
		return math.MinInt64
	}
	bound := dueBound{seen: a.Seen, first: math.MaxInt64}
	for i := range a.Packages {
		bound.ofPackage(&a.Packages[i])
	}
	for i := range a.Subscriptions {
		s := &a.Subscriptions[i]
		bound.at(s.Start)
		bound.expiry(s.End)
		for _, days := range noticesOfRelease {
			bound.at(s.End + InstanceRetention - days*day)
		}
		bound.first = min(bound.first, s.End+InstanceRetention) // a release is found however late, see states
	}
	return bound.first
}

// dueBound finds the first instant after those that are seen.
type dueBound struct{ seen, first int64 }

func (b *dueBound) at(unix int64) {
	if unix > b.seen {
		b.first = min(b.first, unix)
	}
}

// expiry is the end of a term, with its notices (D24).
func (b *dueBound) expiry(end int64) {
	b.at(end)
	for _, days := range noticesOfExpiry {
		b.at(end - days*day)
	}
}

func (b *dueBound) ofPackage(p *BoughtPackage) {
	b.at(p.Start)
	if p.Renewable != 0 {
		b.at(p.Renewable)
		return
	}
	b.expiry(p.End)
	if p.AutoRenew { // tried at every settlement of its last day (D17)
		b.at(max(b.seen+1, p.End-day))
	}
}
