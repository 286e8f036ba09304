package meter

import (
	"math"
	"strings"

	"github.com/tallygate/tallygate/account"
)

// term is when a subscription pays for an instance's calls.
type term struct {
	number     uint32
	plan       uint32 // its number
	start, end int64
}

// plan is what a term is for. Very many terms have the same.
type plan struct {
	service   string          // whose operations it pays for
	limits    [classes]uint32 // calls in any second, by Class
	maxImages int64           // D28
}

// never is when a term begins that a change made void (D30). It ends when it
// would have.
const never = math.MaxInt64

func newTerm(s *store, v *Subscription) term {
	p := plan{v.Service, v.Limits, v.MaxImages}
	t := term{v.Number, s.plans.find(p), v.Start, v.End}
	if t.plan == 0 {
		p.service = strings.Clone(p.service) // or it would keep the text that it was read with
		t.plan = s.plans.number(p)
	}
	if v.Void {
		t.start = never
	}
	return t
}

func (in *instance) clearTerms(s *store) {
	in.first, in.plan, in.start, in.end = 0, 0, 0, 0
	if more := s.instanceMore.at(in.more); more != nil {
		more.terms = more.terms[:0]
	}
}

func (in *instance) addTerm(s *store, v *Subscription) {
	t := newTerm(s, v)
	if in.plan == 0 {
		in.first, in.plan, in.start, in.end = t.number, t.plan, t.start, t.end
		return
	}
	more := in.rest(s)
	more.terms = append(more.terms, t)
}

// terms is how many an instance has.
func (in *instance) terms(s *store) int {
	switch {
	case in.plan == 0:
		return 0
	case in.more == 0:
		return 1
	}
	return 1 + len(s.instanceMore.at(in.more).terms)
}

func (in *instance) termAt(s *store, n int) term {
	if n == 0 {
		return term{in.first, in.plan, in.start, in.end}
	}
	return s.instanceMore.at(in.more).terms[n-1]
}

// term finds the subscription to a service that is in force at an instant (D26,
// D32), and what it is for.
func (in *instance) term(s *store, service string, now int64) (number uint32, p *plan, reason account.Kind) {
	if more := s.instanceMore.at(in.more); more != nil && more.releasedAt != 0 && now >= more.releasedAt {
		return 0, nil, account.Released
	}
	reason = account.PaymentRequired
	for n := range in.terms(s) {
		t := in.termAt(s, n)
		p := s.plans.at(t.plan)
		switch {
		case p.service != service: // it pays for another one's calls
		case now >= t.end:
			reason = account.SubscriptionExpired
		case now >= t.start:
			return t.number, p, 0
		}
	}
	return 0, nil, reason
}
