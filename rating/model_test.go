package rating

import (
	"math"
	"math/big"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// ledgerOfCalls prices a month call by call, in exact fractions, and shares no
// code with what it checks.
type ledgerOfCalls struct {
	op        *pricebook.Operation
	payPerUse []int64 // ordinals of the pay-per-use calls, as the tiers count
	counted   int64   // calls that the tiers have counted
}

func (l *ledgerOfCalls) add(h Hour) {
	if l.op.Basis == pricebook.AllSuccessful {
		l.counted += int64(h.Free + h.Package)
	}
	for range h.PayPerUse {
		l.counted++
		l.payPerUse = append(l.payPerUse, l.counted)
	}
}

// tiers are the calls in each tier, and exact what they cost in 10^-12.
func (l *ledgerOfCalls) tiers() (calls []int64, exact *big.Int) {
	calls, exact = make([]int64, len(l.op.Tiers)), new(big.Int)
	for _, ordinal := range l.payPerUse {
		if l.op.Model == pricebook.Volume {
			ordinal = l.counted
		}
		tier := 0
		for l.op.Tiers[tier].UpTo != 0 && ordinal > l.op.Tiers[tier].UpTo {
			tier++
		}
		calls[tier]++
		exact.Add(exact, big.NewInt(int64(l.op.Tiers[tier].Price)))
	}
	return calls, exact
}

// rounded is x × 10^-12 in minor units, half away from zero.
func rounded(x *big.Int, cur money.Currency) money.Amount {
	minor := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(money.PriceDigits-cur.Digits)), nil)
	q, r := new(big.Int).QuoRem(x, minor, new(big.Int))
	if r.Lsh(r, 1).Cmp(minor) >= 0 {
		q.Add(q, big.NewInt(1))
	}
	return money.Amount(q.Int64())
}

func bigOf(total money.Total) *big.Int {
	hi, lo := total.Parts()
	return new(big.Int).Add(new(big.Int).Lsh(new(big.Int).SetUint64(hi), 64), new(big.Int).SetUint64(lo))
}

func sumOf(numbers ...uint64) *big.Int {
	sum := new(big.Int)
	for _, n := range numbers {
		sum.Add(sum, new(big.Int).SetUint64(n))
	}
	return sum
}

// exactly is the accrual's Exact after an hour, tier by tier in big numbers.
func exactly(op *pricebook.Operation, before Accrual, h Hour) *big.Int {
	total, from, to := new(big.Int), new(big.Int), sumOf(before.PayPerUse, h.PayPerUse)
	reached := to
	if op.Basis == pricebook.AllSuccessful {
		reached = sumOf(before.Successful, h.Free, h.Package, h.PayPerUse)
		if op.Model == pricebook.Graduated {
			total, from, to = bigOf(before.Exact), sumOf(before.Successful, h.Free, h.Package), reached
		}
	}
	low := new(big.Int)
	for _, tier := range op.Tiers {
		high := new(big.Int).SetUint64(math.MaxUint64)
		if tier.UpTo != 0 {
			high = big.NewInt(tier.UpTo)
		}
		calls := new(big.Int)
		if op.Model == pricebook.Volume {
			if (low.Sign() == 0 || reached.Cmp(low) > 0) && reached.Cmp(high) <= 0 {
				calls = to
			}
		} else if a, b := larger(from, low), smaller(to, high); b.Cmp(a) > 0 {
			calls.Sub(b, a)
		}
		total.Add(total, new(big.Int).Mul(calls, big.NewInt(int64(tier.Price))))
		low = high
	}
	return total
}

func larger(a, b *big.Int) *big.Int {
	if a.Cmp(b) > 0 {
		return a
	}
	return b
}

func smaller(a, b *big.Int) *big.Int {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}
