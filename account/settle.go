package account

import (
	"fmt"
	"slices"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Period is a settled period: an hour, or a part of one.
type Period struct {
	Start, End int64  // Unix seconds, half-open (D7)
	Month      uint32 // YYYYMM of its start in the billing zone
}

// Charge is a usage record with what it cost: the difference the line made to
// the month's rounded charge (D12). Amount is 0 for all that is not pay-per-use.
type Charge struct {
	Count
	Amount money.Amount
}

// Rates finds what an operation costs in the period, by number.
type Rates func(operation uint16) (*pricebook.Operation, bool)

// Settle debits the account's usage of a period and judges arrears (D12, D19).
// The counts are the account's own, in order, each line once. What was due
// before the period's end has happened then, and what is due at it has not
// (D13). An error (no price, or a sum out of range) leaves the account void:
// settle a Clone, or what can be read again.
func (a *Account) Settle(p Period, counts []Count, rates Rates, e Env) ([]Charge, Effects, error) {
	return a.SettleTo(make([]Charge, 0, len(counts)+1), p, counts, rates, e)
}

// SettleTo is Settle, with the charges appended to those of other accounts.
func (a *Account) SettleTo(charges []Charge, p Period, counts []Count, rates Rates, e Env) ([]Charge, Effects, error) {
	effects, happened := a.advance(p.End-1, e)
	effects.Settled = !happened
	fail := func(err error) ([]Charge, Effects, error) {
		return nil, Effects{}, fmt.Errorf("account %s: %w", a.ID, err)
	}
	used, err := a.use(p, counts)
	if err != nil {
		return fail(err)
	}
	effects.Events = append(effects.Events, used...)
	charges, total, err := a.charge(charges, p, counts, rates, e.Currency)
	if err != nil {
		return fail(err)
	}
	before := a.Balance
	if err := a.shift(p.Month, -total); err != nil {
		return fail(err)
	}
	effects.Events = append(effects.Events, a.judge(p, before, total, e)...)
	if total != 0 {
		a.LastMovement = max(a.LastMovement, p.End)
	}
	return charges, effects, nil
}

// judge begins arrears where the balance passed the limit (D19), ends them
// where a volume tier's credit allows it (D8), and tells of a low balance.
func (a *Account) judge(p Period, before, total money.Amount, e Env) []Event {
	switch {
	case a.owes():
		return []Event{a.enterArrears(max(p.End, a.LastMovement), e.Policy.Law)}
	case total < 0:
		return a.leaveArrears(p.End)
	}
	return a.fellLow(before, p.End, e)
}

// fellLow tells of a balance that fell below the account's mark (D24). Arrears
// tell of themselves.
func (a *Account) fellLow(before money.Amount, at int64, e Env) []Event {
	if a.Arrears != 0 || a.owes() || before < a.LowBalance || a.Balance >= a.LowBalance {
		return nil
	}
	return []Event{a.event(at, NoticeLowBalance, "", "the balance is "+e.Currency.Format(a.Balance)+" "+e.Currency.Code)}
}

// use takes what was used from allowances and packages.
func (a *Account) use(p Period, counts []Count) (events []Event, err error) {
	for _, c := range counts {
		switch c.Kind {
		case Free:
			if u := a.usage(c.Operation, p.Month); u.Month == c.Ref {
				u.Free += c.Calls
			}
		case Package:
			if c.Ref == 0 || c.Ref > a.PackagesBought {
				return nil, fmt.Errorf("there is no package %d", c.Ref)
			}
			if b := a.packageNumbered(c.Ref); b != nil { // else it ended long ago
				events = append(events, a.usePackage(b, c.Calls, p.End)...)
			}
		}
	}
	return events, nil
}

// usePackage takes calls from a package, and tells at 80, 90 and 100 % (D24).
func (a *Account) usePackage(b *BoughtPackage, calls uint64, at int64) (events []Event) {
	before := b.Used
	b.Used += calls
	for _, percent := range []uint64{80, 90, 100} {
		if reached := share(b.Quota, percent); before < reached && b.Used >= reached {
			events = append(events, a.event(at, NoticePackageUsed, packageRef(b.Number), itoa(int64(percent))+" % of "+b.Offer+" is used"))
		}
	}
	return events
}

// share is the first count of calls that is so many percent of a quota.
func share(quota, percent uint64) uint64 {
	return quota/100*percent + (quota%100*percent+99)/100
}

// charge prices the period, operation by operation: the counts of one stand
// together.
func (a *Account) charge(charges []Charge, p Period, counts []Count, rates Rates, cur money.Currency) (_ []Charge, total money.Amount, err error) {
	for len(counts) > 0 {
		n := slices.IndexFunc(counts, func(c Count) bool { return c.Operation != counts[0].Operation })
		if n < 0 {
			n = len(counts)
		}
		debit, err := a.chargeOperation(p, counts[:n], rates, cur)
		if err == nil {
			total, err = total.Add(debit)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("operation %d: %w", counts[0].Operation, err)
		}
		charges = appendCharges(charges, counts[:n], debit)
		counts = counts[n:]
	}
	return charges, total, nil
}

// chargeOperation adds a period's calls to the month's and returns what they
// add to its charge.
func (a *Account) chargeOperation(p Period, counts []Count, rates Rates, cur money.Currency) (money.Amount, error) {
	var h rating.Hour
	for _, c := range counts {
		c.AddTo(&h)
	}
	if h == (rating.Hour{}) {
		return 0, nil
	}
	operation := counts[0].Operation
	op, ok := rates(operation)
	if !ok {
		return 0, fmt.Errorf("no price book prices it")
	}
	u := a.usage(operation, p.Month)
	after, err := rating.Accrual{PayPerUse: u.PayPerUse, Successful: u.Successful, Exact: u.Exact}.Add(op, h)
	if err != nil {
		return 0, err
	}
	charge, err := after.Charge(cur)
	if err != nil {
		return 0, err
	}
	debit, err := charge.Sub(u.Debited)
	u.PayPerUse, u.Successful, u.Exact, u.Debited = after.PayPerUse, after.Successful, after.Exact, charge
	return debit, err
}

// AddTo adds the calls to a period's, by what paid for them. Those of which tiers
// know nothing are left out.
func (c Count) AddTo(h *rating.Hour) {
	switch c.Kind {
	case Free:
		h.Free += c.Calls
	case Package:
		h.Package += c.Calls
	case PayPerUse:
		h.PayPerUse += c.Calls
	}
}

// appendCharges appends the records of one operation: the debit is that of the
// pay-per-use line. Where calls that something else paid for move the month to
// another tier, it is a line without calls.
func appendCharges(charges []Charge, counts []Count, debit money.Amount) []Charge {
	for _, c := range counts {
		if debit != 0 && c.Kind > PayPerUse {
			charges = append(charges, Charge{Count{Line{Account: c.Account, Operation: c.Operation, Kind: PayPerUse}, 0}, debit})
			debit = 0
		}
		charges = append(charges, Charge{Count: c})
		if c.Kind == PayPerUse {
			charges[len(charges)-1].Amount, debit = debit, 0
		}
	}
	if debit != 0 {
		line := Line{Account: counts[0].Account, Operation: counts[0].Operation, Kind: PayPerUse}
		charges = append(charges, Charge{Count{line, 0}, debit})
	}
	return charges
}
