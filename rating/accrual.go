package rating

import (
	"fmt"
	"math"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Accrual is what an operation's calls of a calendar month cost so far; the
// zero value begins a month. A settlement debits what it adds to the charge
// (D12):
//
//	after, err := accrual.Add(op, rating.Hour{Free: 2, PayPerUse: 20})
//	charge, err := after.Charge(cur)
//	debit, err := charge.Sub(debited) // of what the month was debited before
type Accrual struct {
	PayPerUse  uint64      // calls that were pay-per-use
	Successful uint64      // all calls that were successful, whatever paid
	Exact      money.Total // what the pay-per-use calls cost, not rounded
}

// Hour is what a settled period adds to an operation: all its calls, by what
// paid.
type Hour struct{ Free, Package, PayPerUse uint64 }

// Add settles a period. Under the default basis Exact depends on the month's
// number of pay-per-use calls alone, however it is cut into periods. Under
// all_successful the pay-per-use calls of the period come after its free and
// its package calls, and keep their ordinals (D9); then free and package calls
// alone may change the charge of volume tiers, so every period that has calls
// must be added. Counts that are out of range are money.ErrOverflow.
func (a Accrual) Add(op *pricebook.Operation, h Hour) (Accrual, error) {
	after := Accrual{PayPerUse: saturatedSum(a.PayPerUse, h.PayPerUse)}
	first := saturatedSum(a.Successful, saturatedSum(h.Free, h.Package))
	after.Successful = saturatedSum(first, h.PayPerUse)
	if max(after.PayPerUse, after.Successful) > math.MaxInt64 {
		return Accrual{}, fmt.Errorf("operation %q: %d free, %d package and %d pay-per-use calls after %d in the month: %w",
			op.Name, h.Free, h.Package, h.PayPerUse, a.Successful, money.ErrOverflow)
	}
	var err error
	switch {
	case op.Basis == pricebook.PayPerUseCalls:
		after.Exact, err = exact(op, int64(after.PayPerUse))
	case op.Model == pricebook.Volume:
		after.Exact, err = volume(op, int64(after.PayPerUse), int64(after.Successful))
	default:
		after.Exact, err = graduated(op, a.Exact, int64(first), int64(after.Successful))
	}
	if err != nil {
		return Accrual{}, err
	}
	return after, nil
}

// Charge is R of D12: what the month costs so far in minor units, rounded once.
func (a Accrual) Charge(cur money.Currency) (money.Amount, error) { return a.Exact.Round(cur) }
