package money

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// PriceDigits is how fine a unit price may be: 10^-12 of a major unit.
const PriceDigits = 12

// Price is an exact unit price in units of 10^-12 of a major unit: 0.0025 USD
// per call is 2_500_000_000. It is never negative; the largest is about 9.2
// million major units.
type Price int64

// ParsePrice reads a plain decimal such as "0.0025".
func ParsePrice(s string) (Price, error) {
	value, negative, err := parseDecimal(s, PriceDigits)
	if err == nil && value > math.MaxInt64 {
		err = ErrOverflow
	}
	switch {
	case errors.Is(err, errTooFine):
		return 0, fmt.Errorf("price %q has more than %d decimals; round it", s, PriceDigits)
	case errors.Is(err, ErrOverflow):
		return 0, fmt.Errorf("price %q: %w; the largest is %s", s, err, Price(math.MaxInt64))
	case err != nil:
		return 0, fmt.Errorf("price %q: %w", s, err)
	case negative:
		return 0, fmt.Errorf("price %q is negative; write 0 or more", s)
	}
	return Price(value), nil
}

// String is the shortest decimal: "0.0025", "24". See Currency.FormatPrice.
func (p Price) String() string { return formatDecimal(0, uint64(p), PriceDigits, 0) }

// Total is an exact sum of calls × Price in 128 bits. The zero value is
// nothing.
type Total struct{ hi, lo uint64 }

// Add returns t + calls × p. Calls must not be negative.
func (t Total) Add(calls int64, p Price) (Total, error) {
	if calls < 0 || p < 0 {
		return Total{}, fmt.Errorf("%d calls at %d: %w", calls, int64(p), ErrOverflow)
	}
	hi, lo := bits.Mul64(uint64(calls), uint64(p))
	lo, carry := bits.Add64(t.lo, lo, 0)
	hi, carry = bits.Add64(t.hi, hi, carry)
	if carry != 0 {
		return Total{}, ErrOverflow
	}
	return Total{hi, lo}, nil
}

// Round returns the total in minor units, half away from zero (D12).
func (t Total) Round(c Currency) (Amount, error) {
	q, err := divideHalfUp(t.hi, t.lo, powersOfTen[PriceDigits-c.Digits])
	if err != nil {
		return 0, err
	}
	return signed(q, false)
}

// Parts are what a ledger stores of a total: the high and the low half of a
// count of 10^-12 major units. TotalOf is the inverse.
func (t Total) Parts() (hi, lo uint64) { return t.hi, t.lo }

// TotalOf is the total that has these Parts.
func TotalOf(hi, lo uint64) Total { return Total{hi, lo} }

// String is the exact total as the shortest decimal: "2.5025".
func (t Total) String() string { return formatDecimal(t.hi, t.lo, PriceDigits, 0) }

var powersOfTen = [PriceDigits + 1]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
}
