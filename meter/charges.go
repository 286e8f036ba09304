package meter

import (
	"math"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// charges is what an account owes for one pay-per-use operation beyond what was
// debited: in the newest month, and in the one before, whose last periods may
// not be settled yet.
type charges struct{ now, before monthCharges }

// monthCharges is one month of it.
type monthCharges struct {
	month  uint32
	calls  uint64     // pay-per-use calls: settled, counted and held
	held   uint64     // those of them that have not ended
	op     *Operation // prices them; nil before the first one of this process
	debits Usage      // what of it is settled
}

// SetRealtime says whether a pay-per-use call is refused where its charge and
// all that are not settled yet would pass the credit limit (D19).
func (m *Meter) SetRealtime(on bool) { m.realtime.Store(on) }

// Unsettled is what an account's calls, with those in flight, will be debited
// at the most when they are settled. With SetRealtime(true) the balance less
// this is never below minus the credit limit by a call. Errors are overflows.
func (m *Meter) Unsettled(number uint32) (money.Amount, error) {
	a := m.account(number)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.unsettled()
}

// charged adds pay-per-use calls of a month.
func (a *Account) charged(operation uint16, month uint32, op *Operation, calls uint64) {
	s := a.state(operation, month)
	if s.charges == nil {
		s.charges = &charges{now: monthCharges{month: month}}
	}
	s.charges.roll(month)
	u := s.charges.of(month)
	u.calls += calls
	if op != nil {
		u.op = op
	}
}

// settled takes over what the ledger has debited.
func (a *Account) settled(v Usage) {
	s := a.state(v.Operation, v.Month)
	if s.charges == nil {
		if v.PayPerUse == 0 {
			return
		}
		s.charges = &charges{now: monthCharges{month: v.Month}}
	}
	c := s.charges
	c.roll(v.Month)
	if v.Month < c.now.month && v.Month != c.before.month {
		return
	}
	u := c.of(v.Month)
	u.debits, u.calls = v, max(u.calls, v.PayPerUse)
	if v.Month == c.now.month { // periods are settled in order: the month before is
		c.forget()
	}
}

// roll begins a month.
func (c *charges) roll(month uint32) {
	if month > c.now.month {
		c.forget()
		c.before, c.now = c.now, monthCharges{month: month, op: c.now.op}
	}
}

// forget drops the month before. What of it is still in flight will be counted,
// and priced, in a period of the newest month (D6).
func (c *charges) forget() {
	c.now.calls += c.before.held
	c.now.held += c.before.held
	c.before = monthCharges{}
}

// of finds a month. Calls of older ones are the newest's; see forget.
func (c *charges) of(month uint32) *monthCharges {
	if c.before.month == month {
		return &c.before
	}
	return &c.now
}

// posted: a call that was held in one period is counted, in the same one or,
// late, in another one.
func (c *charges) posted(held, counted *period) {
	u := c.of(held.month)
	u.held--
	if counted == nil {
		u.calls--
		return
	}
	c.roll(counted.month)
	if now := c.of(counted.month); now != c.of(held.month) {
		c.of(held.month).calls--
		now.calls++
	}
}

// affords reports whether one more call of an operation keeps the balance, after
// all that is not settled, within the credit limit. What cannot be priced is
// not afforded.
func (a *Account) affords(op *Operation, month uint32) bool {
	a.charged(op.Number, month, op, 1)
	owed, err := a.unsettled()
	a.state(op.Number, month).charges.of(month).calls--
	if err != nil || op.Price == nil {
		return false
	}
	left, err := a.balance.Add(a.creditLimit)
	if err != nil {
		left = math.MaxInt64
	}
	return owed <= left
}

func (a *Account) unsettled() (sum money.Amount, err error) {
	for i := range a.operation {
		c := a.operation[i].charges
		if c == nil {
			continue
		}
		for _, u := range []*monthCharges{&c.before, &c.now} {
			owed, err := u.unsettled()
			if err != nil {
				return 0, err
			}
			if sum, err = sum.Add(owed); err != nil {
				return 0, err
			}
		}
	}
	return sum, nil
}

// unsettled is the most that the settlement of the month's periods may add up
// to, whichever of the held calls succeed and wherever a period ends.
func (u *monthCharges) unsettled() (money.Amount, error) {
	if u.op == nil || u.op.Price == nil {
		return 0, nil
	}
	charge, err := u.dearest(u.op.Price, u.op.Currency)
	if err != nil {
		return 0, err
	}
	owed, err := charge.Sub(u.debits.Debited)
	return max(owed, 0), err
}

// dearest is the highest charge of the month that may come about: of any number
// of calls up to all, and, where all successful calls advance the tiers (D9), in
// the dearest tier that may still come.
func (u *monthCharges) dearest(op *pricebook.Operation, cur money.Currency) (money.Amount, error) {
	var exact money.Total
	var err error
	switch {
	case op.Basis == pricebook.PayPerUseCalls && op.Model == pricebook.Graduated:
		return rating.Charge(op, cur, int64(u.calls))
	case op.Basis == pricebook.PayPerUseCalls:
		return u.dearestVolume(op, cur)
	case op.Model == pricebook.Volume:
		exact, err = exact.Add(int64(u.calls), u.dearestPrice(op))
	default:
		exact, err = u.debits.Exact.Add(int64(u.calls-u.debits.PayPerUse), u.dearestPrice(op))
	}
	if err != nil {
		return 0, err
	}
	return exact.Round(cur)
}

// dearestVolume looks at the number of calls and at the ends of the tiers that
// lie before it: between these the charge grows.
func (u *monthCharges) dearestVolume(op *pricebook.Operation, cur money.Currency) (money.Amount, error) {
	most, err := rating.Charge(op, cur, int64(u.calls))
	for _, tier := range op.Tiers {
		if err == nil && tier.UpTo > int64(u.debits.PayPerUse) && tier.UpTo < int64(u.calls) {
			var charge money.Amount
			charge, err = rating.Charge(op, cur, tier.UpTo)
			most = max(most, charge)
		}
	}
	return most, err
}

func (u *monthCharges) dearestPrice(op *pricebook.Operation) (dearest money.Price) {
	for _, tier := range op.Tiers {
		if tier.UpTo == 0 || tier.UpTo > int64(u.debits.Successful) || op.Model == pricebook.Volume && tier.UpTo == int64(u.debits.Successful) {
			dearest = max(dearest, tier.Price)
		}
	}
	return dearest
}
