package money

import (
	"errors"
	"math"
	"math/bits"
	"strings"
)

var (
	errNotPlain = errors.New("not a plain decimal; write digits with a point, such as 24.00")
	errTooFine  = errors.New("too many decimals")
)

// parseDecimal reads -?(0|[1-9][0-9]*)(\.[0-9]+)? as a count of 10^-digits.
func parseDecimal(s string, digits int) (value uint64, negative bool, err error) {
	s, negative = strings.CutPrefix(s, "-")
	whole, fraction, pointed := strings.Cut(s, ".")
	plain := allDigits(whole) && (!pointed || allDigits(fraction))
	if !plain || (len(whole) > 1 && whole[0] == '0') {
		return 0, false, errNotPlain
	}
	if len(fraction) > digits {
		return 0, false, errTooFine
	}
	if value, err = appendDigits(0, whole); err == nil {
		value, err = appendDigits(value, fraction)
	}
	for range digits - len(fraction) {
		if err == nil {
			value, err = appendDigits(value, "0")
		}
	}
	return value, negative, err
}

// appendDigits returns the number whose decimal digits are those of value
// followed by s.
func appendDigits(value uint64, s string) (uint64, error) {
	for _, c := range []byte(s) {
		digit := uint64(c - '0')
		if value > (math.MaxUint64-digit)/10 {
			return 0, ErrOverflow
		}
		value = value*10 + digit
	}
	return value, nil
}

func allDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// formatDecimal writes hi:lo × 10^-digits without trailing zeros, but with at
// least decimals of them.
func formatDecimal(hi, lo uint64, digits, decimals int) string {
	var buf [64]byte // 39 digits of 128 bits, or a point and PriceDigits
	at := len(buf)
	for n := 0; hi != 0 || lo != 0 || n <= digits; n++ {
		if n == digits && digits > 0 {
			at--
			buf[at] = '.'
		}
		var digit uint64
		hi, digit = hi/10, hi%10
		lo, digit = bits.Div64(digit, lo, 10)
		at--
		buf[at] = byte('0' + digit)
	}
	end := len(buf)
	for n := digits; n > decimals && buf[end-1] == '0'; n-- {
		end--
	}
	if buf[end-1] == '.' {
		end--
	}
	return string(buf[at:end])
}
