package meter

import (
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// charges is what an account owes for one pay-per-use operation in one month
// beyond what was debited. An account's are in a list: each operation's newest
// month, and after it the month before, whose last periods may not be settled
// yet. 80 bytes.
type charges struct {
	next      *charges
	op        *Operation // prices them; nil before the first one of this process
	calls     uint64     // pay-per-use calls: settled, counted and held
	debits    debits     // what of them is settled
	held      uint32     // those of them that have not ended
	month     uint32
	operation uint16
}

// debits is what the ledger has debited of a month, see Usage.
type debits struct {
	payPerUse  uint64
	successful uint64
	exact      money.Total
	debited    money.Amount
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

// findCharges returns an operation's newest month, nil where there is none.
func (a *Account) findCharges(operation uint16) *charges {
	for c := a.charges; c != nil; c = c.next {
		if c.operation == operation {
			return c
		}
	}
	return nil
}

func (a *Account) addCharges(operation uint16, month uint32) *charges {
	c := chargesSlab.one()
	*c = charges{next: a.charges, operation: operation, month: month}
	a.charges = c
	return c
}

// charged adds pay-per-use calls of a month, and returns the month they are in.
func (a *Account) charged(operation uint16, month uint32, op *Operation, calls uint64) *charges {
	c := a.findCharges(operation)
	if c == nil {
		c = a.addCharges(operation, month)
	}
	c.roll(month)
	u := c.of(month)
	u.calls += calls
	if op != nil {
		u.op = op
	}
	return u
}

// settled takes over what the ledger has debited.
func (a *Account) settled(v Usage) {
	c := a.findCharges(v.Operation)
	if c == nil {
		if v.PayPerUse == 0 {
			return
		}
		c = a.addCharges(v.Operation, v.Month)
	}
	c.roll(v.Month)
	u := c.of(v.Month)
	if v.Month < u.month { // older than both
		return
	}
	u.debits = debits{v.PayPerUse, v.Successful, v.Exact, v.Debited}
	u.calls = max(u.calls, v.PayPerUse)
	if u == c { // periods are settled in order: the month before is
		c.forget()
	}
}

// before is the month before the newest, nil where it is done with.
func (c *charges) before() *charges {
	if c.next != nil && c.next.operation == c.operation {
		return c.next
	}
	return nil
}

// roll begins a month.
func (c *charges) roll(month uint32) {
	if month > c.month {
		c.forget()
		before := *c
		*c = charges{next: &before, operation: c.operation, month: month, op: c.op}
	}
}

// forget drops the month before. What of it is still in flight will be counted,
// and priced, in a period of the newest month (D6).
func (c *charges) forget() {
	if before := c.before(); before != nil {
		c.calls += uint64(before.held)
		c.held += before.held
		c.next = before.next
	}
}

// of finds a month. Calls of older ones are the newest's; see forget.
func (c *charges) of(month uint32) *charges {
	if before := c.before(); before != nil && before.month == month {
		return before
	}
	return c
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
	u := a.charged(op.Number, month, op, 1)
	owed, err := a.unsettled()
	u.calls--
	return err == nil && op.Price != nil && owed <= a.credit
}

func (a *Account) unsettled() (sum money.Amount, err error) {
	for c := a.charges; c != nil; c = c.next {
		owed, err := c.unsettled()
		if err != nil {
			return 0, err
		}
		if sum, err = sum.Add(owed); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// unsettled is the most that the settlement of the month's periods may add up
// to, whichever of the held calls succeed and wherever a period ends.
func (c *charges) unsettled() (money.Amount, error) {
	if c.op == nil || c.op.Price == nil {
		return 0, nil
	}
	charge, err := c.dearest(c.op.Price, c.op.Currency)
	if err != nil {
		return 0, err
	}
	owed, err := charge.Sub(c.debits.debited)
	return max(owed, 0), err
}

// dearest is the highest charge of the month that may come about: of any number
// of calls up to all, and, where all successful calls advance the tiers (D9), in
// the dearest tier that may still come.
func (c *charges) dearest(op *pricebook.Operation, cur money.Currency) (money.Amount, error) {
	var exact money.Total
	var err error
	switch {
	case op.Basis == pricebook.PayPerUseCalls && op.Model == pricebook.Graduated:
		return rating.Charge(op, cur, int64(c.calls))
	case op.Basis == pricebook.PayPerUseCalls:
		return c.dearestVolume(op, cur)
	case op.Model == pricebook.Volume:
		exact, err = exact.Add(int64(c.calls), c.dearestPrice(op))
	default:
		exact, err = c.debits.exact.Add(int64(c.calls-c.debits.payPerUse), c.dearestPrice(op))
	}
	if err != nil {
		return 0, err
	}
	return exact.Round(cur)
}

// dearestVolume looks at the number of calls and at the ends of the tiers that
// lie before it: between these the charge grows.
func (c *charges) dearestVolume(op *pricebook.Operation, cur money.Currency) (money.Amount, error) {
	most, err := rating.Charge(op, cur, int64(c.calls))
	for _, tier := range op.Tiers {
		if err == nil && tier.UpTo > int64(c.debits.payPerUse) && tier.UpTo < int64(c.calls) {
			var charge money.Amount
			charge, err = rating.Charge(op, cur, tier.UpTo)
			most = max(most, charge)
		}
	}
	return most, err
}

func (c *charges) dearestPrice(op *pricebook.Operation) (dearest money.Price) {
	for _, tier := range op.Tiers {
		if tier.UpTo == 0 || tier.UpTo > int64(c.debits.successful) || op.Model == pricebook.Volume && tier.UpTo == int64(c.debits.successful) {
			dearest = max(dearest, tier.Price)
		}
	}
	return dearest
}
