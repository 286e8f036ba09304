package rating

import (
	"fmt"
	"time"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// debit is what a settled period adds to the month's charge when its calls
// raise the month's count from before to after, by the accrual that settlements
// use (D12). Charge, which knows the count alone, must agree.
func debit(op *pricebook.Operation, cur money.Currency, before, after int64) (money.Amount, error) {
	month, err := Accrual{}.Add(op, Hour{PayPerUse: uint64(before)})
	if err != nil {
		return 0, err
	}
	was, err := month.Charge(cur)
	if err != nil {
		return 0, err
	}
	if month, err = month.Add(op, Hour{PayPerUse: uint64(after - before)}); err != nil {
		return 0, err
	}
	is, err := month.Charge(cur)
	if err != nil {
		return 0, err
	}
	whole, err := Charge(op, cur, after)
	if err != nil {
		return 0, err
	}
	if whole != is {
		return 0, fmt.Errorf("operation %q: %d calls cost %d by accrual and %d by count", op.Name, after, is, whole)
	}
	return is.Sub(was)
}

// wallOf is what the clocks of a zone show.
func wallOf(unix int64, loc *time.Location) int64 {
	_, offset := time.Unix(unix, 0).In(loc).Zone()
	return unix + int64(offset)
}
