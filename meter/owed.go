package meter

import (
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

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
	return a.unsettled(m.store)
}

// affords reports whether one more call of an operation keeps the balance, after
// all that is not settled, within the credit limit. What cannot be priced is
// not afforded.
func (a *Account) affords(s *store, op *Operation, month uint32) bool {
	u := a.charged(s, op.Number, month, op, 1)
	owed, err := a.unsettled(s)
	u.calls--
	return err == nil && op.Price != nil && owed <= a.credit
}

func (a *Account) unsettled(s *store) (sum money.Amount, err error) {
	for c := s.charges.at(a.charges); c != nil; c = s.charges.at(c.next) {
		owed, err := c.unsettled(s.tariffs.at(c.tariff))
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
func (c *charges) unsettled(t *tariff) (money.Amount, error) {
	if t.price == nil {
		return 0, nil
	}
	charge, err := c.dearest(t.price, t.currency)
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
