// Package money is exact money: amounts in minor units, unit prices as exact
// decimals, and sums of calls × price that are rounded once, at the end.
//
//	usd, _ := money.CurrencyOf("USD")
//	price, _ := money.ParsePrice("0.0025")
//	var total money.Total
//	total, _ = total.Add(1_001, price)      // exactly 2.5025
//	charge, _ := total.Round(usd)           // 250 cents
//	fmt.Println(usd.Format(charge))         // 2.50
//
// Nothing here is a float, allocates on the way to an amount, or wraps: what
// does not fit is ErrOverflow.
package money

import (
	"errors"
	"math"
	"math/bits"
)

// ErrOverflow is returned by every operation whose result does not fit.
var ErrOverflow = errors.New("the amount is out of range")

// Amount is money in minor units of a currency that the context knows: 2400
// is 24.00 USD, and 2400 JPY. Debits are negative.
type Amount int64

// Add returns a + b.
func (a Amount) Add(b Amount) (Amount, error) {
	sum := a + b
	if (a^sum)&(b^sum) < 0 {
		return 0, ErrOverflow
	}
	return sum, nil
}

// Sub returns a − b.
func (a Amount) Sub(b Amount) (Amount, error) {
	diff := a - b
	if (a^b)&(a^diff) < 0 {
		return 0, ErrOverflow
	}
	return diff, nil
}

// Neg returns −a.
func (a Amount) Neg() (Amount, error) {
	if a == math.MinInt64 {
		return 0, ErrOverflow
	}
	return -a, nil
}

// Mul returns a × n.
func (a Amount) Mul(n int64) (Amount, error) {
	hi, lo := bits.Mul64(magnitude(int64(a)), magnitude(n))
	if hi != 0 {
		return 0, ErrOverflow
	}
	return signed(lo, (a < 0) != (n < 0))
}

// MulDiv returns a × num ÷ den, half away from zero, with a product of 128
// bits. It panics unless den is positive.
func (a Amount) MulDiv(num, den int64) (Amount, error) {
	if den <= 0 {
		panic("money: MulDiv by a denominator that is not positive")
	}
	hi, lo := bits.Mul64(magnitude(int64(a)), magnitude(num))
	q, err := divideHalfUp(hi, lo, uint64(den))
	if err != nil {
		return 0, err
	}
	return signed(q, (a < 0) != (num < 0))
}

// magnitude is |n|, also for the smallest int64.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// signed puts a sign on a magnitude.
func signed(m uint64, negative bool) (Amount, error) {
	switch {
	case m <= math.MaxInt64 && negative:
		return -Amount(m), nil
	case m <= math.MaxInt64:
		return Amount(m), nil
	case m == 1<<63 && negative:
		return math.MinInt64, nil
	}
	return 0, ErrOverflow
}

// divideHalfUp returns hi:lo ÷ d, a remainder of d/2 or more rounded up.
func divideHalfUp(hi, lo, d uint64) (uint64, error) {
	var q, r uint64
	switch {
	case hi == 0: // the usual case, half the time
		q, r = lo/d, lo%d
	case hi >= d:
		return 0, ErrOverflow
	default:
		q, r = bits.Div64(hi, lo, d)
	}
	if r >= d-r {
		if q == math.MaxUint64 {
			return 0, ErrOverflow
		}
		q++
	}
	return q, nil
}
