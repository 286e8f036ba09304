package rating

import (
	"fmt"
	"slices"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// TierUse explains a month of operations whose tiers count all successful calls
// (D9): how many of the pay-per-use calls fell in each tier, which follows from
// the settled periods and not from their sums. It keeps nothing of operations
// with the default basis. The zero value is a month without calls.
type TierUse struct{ operations map[string]*tierUse }

// tierUse is the month of one operation.
type tierUse struct {
	op      *pricebook.Operation
	accrual Accrual
	calls   []int64 // in each tier; not under volume tiers, which have no such order
}

// Add adds all calls of a settled period, as Accrual.Add does. The periods must
// come in their order, and the operation with one set of rates (D35).
func (u *TierUse) Add(op *pricebook.Operation, h Hour) error {
	if op.Basis != pricebook.AllSuccessful {
		return nil
	}
	o := u.operations[op.Name]
	if o == nil {
		o = &tierUse{op: op, calls: make([]int64, len(op.Tiers))}
	}
	if o.op.Model != op.Model || !slices.Equal(o.op.Tiers, op.Tiers) {
		return fmt.Errorf("operation %q: its tiers change within the month; pass the month's rates with every period", op.Name)
	}
	if err := o.add(h); err != nil {
		return err
	}
	if u.operations == nil {
		u.operations = map[string]*tierUse{}
	}
	u.operations[op.Name] = o
	return nil
}

func (o *tierUse) add(h Hour) error {
	after, err := o.accrual.Add(o.op, h)
	if err != nil {
		return err
	}
	o.accrual = after
	if o.op.Model == pricebook.Volume {
		return nil
	}
	last := int64(after.Successful)
	bands, err := Bands(o.op, last-int64(h.PayPerUse), last)
	if err != nil {
		return err
	}
	for _, b := range bands {
		tier, err := tierAt(o.op, b.To)
		if err != nil {
			return err
		}
		o.calls[tier] += b.Calls
	}
	return nil
}

// inTiers are the calls in each tier.
func (o *tierUse) inTiers() ([]int64, error) {
	if o.op.Model != pricebook.Volume {
		return o.calls, nil
	}
	reached, err := tierAt(o.op, int64(o.accrual.Successful))
	if err != nil {
		return nil, err
	}
	calls := make([]int64, len(o.op.Tiers))
	calls[reached] = int64(o.accrual.PayPerUse)
	return calls, nil
}

// bands explains the pay-per-use calls of an operation, which must be so many:
// From and To are the bounds of the tier, To is 0 where it has none.
func (u *TierUse) bands(op *pricebook.Operation, calls int64) (bands []Band, err error) {
	o := &tierUse{op: op, calls: make([]int64, len(op.Tiers))}
	if u != nil && u.operations[op.Name] != nil {
		o = u.operations[op.Name]
	}
	if o.accrual.PayPerUse != uint64(calls) {
		return nil, fmt.Errorf("%w: operation %q has %d pay-per-use calls, its settled periods %d; add each of them to StatementInput.TierUse",
			ErrStatement, op.Name, calls, o.accrual.PayPerUse)
	}
	inTier, err := o.inTiers()
	if err != nil {
		return nil, err
	}
	first := int64(1)
	for i, tier := range op.Tiers {
		if inTier[i] > 0 {
			exact, err := money.Total{}.Add(inTier[i], tier.Price)
			if err != nil {
				return nil, err
			}
			bands = append(bands, Band{From: first, To: tier.UpTo, Calls: inTier[i], Price: tier.Price, Exact: exact})
		}
		first = tier.UpTo + 1
	}
	return bands, nil
}
