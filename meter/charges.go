package meter

import (
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// charges is what an account owes for one pay-per-use operation in one month
// beyond what was debited. An account's are in a list: each operation's newest
// month, and after it the month before, whose last periods may not be settled
// yet. 64 bytes.
type charges struct {
	next   uint32
	tariff uint32 // its number
	month  uint32
	held   uint32 // those of the calls that have not ended
	calls  uint64 // pay-per-use calls: settled, counted and held
	debits debits // what of them is settled
}

// tariff is an operation and what prices it: nothing before the first call of
// this process. All accounts have the same few.
type tariff struct {
	operation uint16
	price     *pricebook.Operation
	currency  money.Currency
}

// debits is what the ledger has debited of a month, see Usage.
type debits struct {
	payPerUse  uint64
	successful uint64
	exact      money.Total
	debited    money.Amount
}

// findCharges returns an operation's newest month, nil where there is none.
func (a *Account) findCharges(s *store, operation uint16) *charges {
	for c := s.charges.at(a.charges); c != nil; c = s.charges.at(c.next) {
		if c.operation(s) == operation {
			return c
		}
	}
	return nil
}

func (a *Account) addCharges(s *store, operation uint16, month uint32) *charges {
	number, c := s.charges.take()
	*c = charges{next: a.charges, tariff: s.tariffs.number(tariff{operation: operation}), month: month}
	a.charges = number
	return c
}

func (c *charges) operation(s *store) uint16 { return s.tariffs.at(c.tariff).operation }

// charged adds pay-per-use calls of a month, and returns the month they are in.
func (a *Account) charged(s *store, operation uint16, month uint32, op *Operation, calls uint64) *charges {
	c := a.findCharges(s, operation)
	if c == nil {
		c = a.addCharges(s, operation, month)
	}
	c.roll(s, month)
	u := c.of(s, month)
	u.calls += calls
	if op != nil {
		u.price(s, tariff{operation, op.Price, op.Currency})
	}
	return u
}

// price says what prices the month's calls from now on.
func (c *charges) price(s *store, t tariff) {
	if *s.tariffs.at(c.tariff) != t {
		c.tariff = s.tariffs.number(t)
	}
}

// settled takes over what the ledger has debited.
func (a *Account) settled(s *store, v Usage) {
	c := a.findCharges(s, v.Operation)
	if c == nil {
		if v.PayPerUse == 0 {
			return
		}
		c = a.addCharges(s, v.Operation, v.Month)
	}
	c.roll(s, v.Month)
	u := c.of(s, v.Month)
	if v.Month < u.month { // older than both
		return
	}
	u.debits = debits{v.PayPerUse, v.Successful, v.Exact, v.Debited}
	u.calls = max(u.calls, v.PayPerUse)
	if u == c { // periods are settled in order: the month before is
		c.forget(s)
	}
}

// before is the month before the newest, nil where it is done with.
func (c *charges) before(s *store) *charges {
	if next := s.charges.at(c.next); next != nil && next.operation(s) == c.operation(s) {
		return next
	}
	return nil
}

// roll begins a month.
func (c *charges) roll(s *store, month uint32) {
	if month > c.month {
		c.forget(s)
		number, before := s.charges.take()
		*before = *c
		*c = charges{next: number, tariff: c.tariff, month: month}
	}
}

// forget drops the month before. What of it is still in flight will be counted,
// and priced, in a period of the newest month (D6).
func (c *charges) forget(s *store) {
	if before := c.before(s); before != nil {
		c.calls += uint64(before.held)
		c.held += before.held
		number := c.next
		c.next = before.next
		s.charges.give(number)
	}
}

// of finds a month. Calls of older ones are the newest's; see forget.
func (c *charges) of(s *store, month uint32) *charges {
	if month != c.month {
		if before := c.before(s); before != nil && before.month == month {
			return before
		}
	}
	return c
}

// posted: a call that was held in one period is counted, in the same one or,
// late, in another one.
func (c *charges) posted(s *store, held, counted *period) {
	u := c.of(s, held.month)
	u.held--
	if counted == nil {
		u.calls--
		return
	}
	c.roll(s, counted.month)
	if now := c.of(s, counted.month); now != c.of(s, held.month) {
		c.of(s, held.month).calls--
		now.calls++
	}
}
