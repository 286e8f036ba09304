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
	Policy     Policy // in force at its end
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
// The counts are the account's own, each line once. An error (no price, or a sum
// out of range) leaves the account void: settle a Clone.
func (a *Account) Settle(p Period, counts []Count, rates Rates, cur money.Currency) ([]Charge, error) {
	charges := make([]Charge, 0, len(counts))
	var total money.Amount
	for _, c := range counts {
		amount, err := a.settleLine(p, c, rates, cur)
		if err != nil {
			return nil, fmt.Errorf("account %s, operation %d, %s: %w", a.ID, c.Operation, c.Funding(), err)
		}
		if total, err = total.Add(amount); err != nil {
			return nil, fmt.Errorf("account %s: %w", a.ID, err)
		}
		charges = append(charges, Charge{c, amount})
	}
	balance, err := a.Balance.Sub(total)
	if err != nil {
		return nil, fmt.Errorf("account %s: balance: %w", a.ID, err)
	}
	a.Balance = balance
	switch {
	case a.Arrears == 0 && balance < -a.CreditLimit:
		a.Arrears, a.ArrearsLaw = max(p.End, a.LastMovement), p.Policy
	case total < 0: // a volume tier's credit (D8)
		a.leaveArrears(p.End)
	}
	if total != 0 {
		a.LastMovement = max(a.LastMovement, p.End)
	}
	return charges, nil
}

func (a *Account) settleLine(p Period, c Count, rates Rates, cur money.Currency) (money.Amount, error) {
	switch c.Kind {
	case Free:
		if u := a.usage(c.Operation, c.Ref); u.Month == c.Ref {
			u.Free += c.Calls
		}
	case Package:
		i := slices.IndexFunc(a.Packages, func(b BoughtPackage) bool { return b.Number == c.Ref })
		if i < 0 {
			return 0, fmt.Errorf("there is no package %d", c.Ref)
		}
		a.Packages[i].Used += c.Calls
	case PayPerUse:
		return a.settlePayPerUse(p, c, rates, cur)
	}
	return 0, nil
}

func (a *Account) settlePayPerUse(p Period, c Count, rates Rates, cur money.Currency) (money.Amount, error) {
	op, ok := rates(c.Operation)
	if !ok {
		return 0, fmt.Errorf("no price book prices it")
	}
	u := a.usage(c.Operation, p.Month)
	u.PayPerUse += c.Calls
	charge, err := rating.Charge(op, cur, int64(u.PayPerUse))
	if err != nil {
		return 0, err
	}
	debit, err := charge.Sub(u.Debited)
	u.Debited = charge
	return debit, err
}
