// Package rating turns counted calls into money: what a month of calls costs,
// what an hour of it debits, when hours, months and terms begin and end, and
// the statement that explains it. It is pure: no I/O, and time is an argument.
//
//	op, _ := book.Operation("recognition/image-tagging")
//	rating.Charge(op, book.Currency, 100_000)         // 255.00 for the month so far
//	accrual.Add(op, rating.Hour{Free: 5, PayPerUse: 20}) // what an hour adds to it, whatever the tiers count
package rating

import (
	"fmt"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Charge is R of D12: what the first calls pay-per-use calls of a month cost,
// in minor units, rounded once. It does not allocate. Where the tiers count all
// successful calls (D9) that number does not say, and an Accrual does.
func Charge(op *pricebook.Operation, cur money.Currency, calls int64) (money.Amount, error) {
	if op.Basis != pricebook.PayPerUseCalls {
		return 0, fmt.Errorf("operation %q counts all successful calls in its tiers; add its hours to an Accrual", op.Name)
	}
	total, err := exact(op, calls)
	if err != nil {
		return 0, err
	}
	return total.Round(cur)
}

// Band is a run of calls that have the same unit price.
type Band struct {
	From, To int64 // ordinals in the month, from 1, inclusive; see LineBand
	Calls    int64
	Price    money.Price
	Exact    money.Total // Calls × Price, not rounded
}

// Bands explains the calls after the first from, up to the to-th, in the order
// in which the tiers count: their bands add up to what Charge rounds when from
// is 0. Under volume tiers it is one band, at the price that to reaches.
func Bands(op *pricebook.Operation, from, to int64) ([]Band, error) {
	if from < 0 || from > to {
		return nil, fmt.Errorf("operation %q: calls %d to %d are no range; pass the counts before and after", op.Name, from, to)
	}
	var bands []Band
	for from < to {
		ordinal, end := from+1, to
		if op.Model == pricebook.Volume {
			ordinal = to
		}
		i, err := tierAt(op, ordinal)
		if err != nil {
			return nil, err
		}
		tier := op.Tiers[i]
		if op.Model == pricebook.Graduated && tier.UpTo != 0 {
			end = min(to, tier.UpTo)
		}
		total, err := money.Total{}.Add(end-from, tier.Price)
		if err != nil {
			return nil, err
		}
		bands = append(bands, Band{From: from + 1, To: end, Calls: end - from, Price: tier.Price, Exact: total})
		from = end
	}
	return bands, nil
}

// exact is the charge of a month's first calls before it is rounded.
func exact(op *pricebook.Operation, calls int64) (money.Total, error) {
	if op.Model == pricebook.Volume {
		return volume(op, calls, calls)
	}
	return graduated(op, money.Total{}, 0, calls)
}

// volume prices calls by the tier that the month's reached-th falls in.
func volume(op *pricebook.Operation, calls, reached int64) (money.Total, error) {
	tier, err := tierAt(op, reached)
	if err != nil {
		return money.Total{}, err
	}
	return money.Total{}.Add(calls, op.Tiers[tier].Price)
}

// graduated adds to a total the calls after the first from, up to the to-th,
// each at the price of its tier.
func graduated(op *pricebook.Operation, total money.Total, from, to int64) (_ money.Total, err error) {
	if from > to {
		return total, fmt.Errorf("operation %q: %d calls: %w", op.Name, to-from, money.ErrOverflow)
	}
	for _, tier := range op.Tiers {
		end := to
		if tier.UpTo != 0 {
			end = min(to, tier.UpTo)
		}
		if end <= from {
			continue
		}
		if total, err = total.Add(end-from, tier.Price); err != nil || end == to {
			return total, err
		}
		from = end
	}
	if from < to {
		return total, errNoTiers(op)
	}
	return total, nil
}

// tierAt is the index of the tier that the month's n-th call falls in.
func tierAt(op *pricebook.Operation, n int64) (int, error) {
	for i := range op.Tiers {
		if upTo := op.Tiers[i].UpTo; upTo == 0 || n <= upTo {
			return i, nil
		}
	}
	return 0, errNoTiers(op)
}

func errNoTiers(op *pricebook.Operation) error {
	return fmt.Errorf("operation %q has no price per call; charge pay-per-use operations only", op.Name)
}
