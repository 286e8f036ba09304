// Package rating turns counted calls into money: what a month of calls costs,
// what an hour of it debits, when hours, months and terms begin and end, and
// the statement that explains it. It is pure: no I/O, and time is an argument.
//
//	op, _ := book.Operation("recognition/image-tagging")
//	rating.Charge(op, book.Currency, 100_000)         // 255.00 for the month so far
//	rating.Debit(op, book.Currency, 9_990, 10_010)    // what 20 calls more add to it
package rating

import (
	"fmt"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Charge is R of D12: what the first calls pay-per-use calls of a month cost,
// in minor units, rounded once. It does not allocate.
func Charge(op *pricebook.Operation, cur money.Currency, calls int64) (money.Amount, error) {
	total, err := exact(op, calls)
	if err != nil {
		return 0, err
	}
	return total.Round(cur)
}

// Debit is what a settled period adds to the month's charge when its calls
// raise the month's count from before to after (D12). Before is 0 in the
// month's first period (D9). Under volume tiers it may be a credit (D8).
func Debit(op *pricebook.Operation, cur money.Currency, before, after int64) (money.Amount, error) {
	if before > after {
		return 0, fmt.Errorf("operation %q: the month's count falls from %d to %d; pass the counts before and after the period", op.Name, before, after)
	}
	was, err := Charge(op, cur, before)
	if err != nil {
		return 0, err
	}
	is, err := Charge(op, cur, after)
	if err != nil {
		return 0, err
	}
	return is - was, nil // neither is negative, so this cannot wrap
}

// Band is a run of calls that have the same unit price.
type Band struct {
	From, To int64 // ordinals in the month, from 1, inclusive
	Calls    int64
	Price    money.Price
	Exact    money.Total // Calls × Price, not rounded
}

// Bands explains the calls after the first from, up to the to-th: their bands
// add up to what Charge rounds when from is 0. Under volume tiers it is one
// band, at the price that to reaches.
func Bands(op *pricebook.Operation, from, to int64) ([]Band, error) {
	if from < 0 || from > to {
		return nil, fmt.Errorf("operation %q: calls %d to %d are no range; pass the counts before and after", op.Name, from, to)
	}
	var bands []Band
	for from < to {
		tier, err := tierAt(op, from+1)
		if op.Model == pricebook.Volume {
			tier, err = tierAt(op, to)
		}
		if err != nil {
			return nil, err
		}
		end := to
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

// exact is the month's charge before it is rounded.
func exact(op *pricebook.Operation, calls int64) (total money.Total, err error) {
	if op.Model == pricebook.Volume {
		tier, err := tierAt(op, calls)
		if err != nil {
			return total, err
		}
		return total.Add(calls, tier.Price)
	}
	counted := int64(0)
	for _, tier := range op.Tiers {
		if tier.UpTo == 0 || calls <= tier.UpTo {
			return total.Add(calls-counted, tier.Price)
		}
		if total, err = total.Add(tier.UpTo-counted, tier.Price); err != nil {
			return total, err
		}
		counted = tier.UpTo
	}
	return total, errNoTiers(op)
}

// tierAt is the tier that the month's n-th call falls in.
func tierAt(op *pricebook.Operation, n int64) (pricebook.Tier, error) {
	for _, tier := range op.Tiers {
		if tier.UpTo == 0 || n <= tier.UpTo {
			return tier, nil
		}
	}
	return pricebook.Tier{}, errNoTiers(op)
}

func errNoTiers(op *pricebook.Operation) error {
	return fmt.Errorf("operation %q has no price per call; charge pay-per-use operations only", op.Name)
}
