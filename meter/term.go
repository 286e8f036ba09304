package meter

import (
	"math"
	"unique"

	"github.com/tallygate/tallygate/account"
)

// term is when a subscription pays for an instance's calls.
type term struct {
	number     uint32
	start, end int64
	plan       planned
}

// plan is what a term is for. Very many terms have the same.
type plan struct {
	service   string          // whose operations it pays for
	limits    [classes]uint32 // calls in any second, by Class
	maxImages int64           // D28
}

// planned is a plan that is in memory once. The zero value is none.
type planned = unique.Handle[plan]

// never is when a term begins that a change made void (D30). It ends when it
// would have.
const never = math.MaxInt64

func newTerm(s *Subscription) term {
	t := term{s.Number, s.Start, s.End, unique.Make(plan{s.Service, s.Limits, s.MaxImages})}
	if s.Void {
		t.start = never
	}
	return t
}

func (in *instance) clearTerms() {
	in.first, in.start, in.end, in.plan = 0, 0, 0, planned{}
	if in.more != nil {
		in.more.terms = in.more.terms[:0]
	}
}

func (in *instance) addTerm(s Subscription) {
	t := newTerm(&s)
	if in.plan == (planned{}) {
		in.first, in.start, in.end, in.plan = t.number, t.start, t.end, t.plan
		return
	}
	more := in.rest()
	more.terms = append(more.terms, t)
}

// terms is how many an instance has.
func (in *instance) terms() int {
	switch {
	case in.plan == planned{}:
		return 0
	case in.more == nil:
		return 1
	}
	return 1 + len(in.more.terms)
}

func (in *instance) termAt(n int) term {
	if n == 0 {
		return term{in.first, in.start, in.end, in.plan}
	}
	return in.more.terms[n-1]
}

// term finds the subscription to a service that is in force at an instant (D26,
// D32), and what it is for.
func (in *instance) term(service string, now int64) (number uint32, p plan, reason account.Kind) {
	if in.more != nil && in.more.releasedAt != 0 && now >= in.more.releasedAt {
		return 0, p, account.Released
	}
	reason = account.PaymentRequired
	for n := range in.terms() {
		t := in.termAt(n)
		p = t.plan.Value()
		switch {
		case p.service != service: // it pays for another one's calls
		case now >= t.end:
			reason = account.SubscriptionExpired
		case now >= t.start:
			return t.number, p, 0
		}
	}
	return 0, p, reason
}
