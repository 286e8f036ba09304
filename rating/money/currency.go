package money

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Currency is an ISO 4217 code and the decimals of its minor unit: USD 2,
// JPY 0, KWD 3, CLF 4.
type Currency struct {
	Code   string
	Digits int
}

// CurrencyOf returns an active currency of ISO 4217 by its code, in capitals.
func CurrencyOf(code string) (Currency, error) {
	for digits, codes := range activeCodes {
		if len(code) == 3 && !strings.Contains(code, " ") && strings.Contains(codes, code) {
			return Currency{Code: code, Digits: digits}, nil
		}
	}
	return Currency{}, fmt.Errorf("currency %q is unknown; use an active ISO 4217 code in capitals, such as USD", code)
}

// activeCodes are the codes of ISO 4217 with a minor unit, by its decimals,
// separated so that no code straddles two neighbours.
var activeCodes = [...]string{
	0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
	2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD " +
		"CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL " +
		"GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR " +
		"LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD " +
		"PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC " +
		"SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR " +
		"ZMW ZWG",
	3: "BHD IQD JOD KWD LYD OMR TND",
	4: "CLF UYW",
}

// Parse reads an amount as people write it, "24.00", "24", "-3.5": an optional
// minus, digits, and at most Digits decimals. "24.000" USD is refused too: it
// is more likely meant as twenty-four thousand than as twenty-four.
func (c Currency) Parse(s string) (Amount, error) {
	value, negative, err := parseDecimal(s, c.Digits)
	var a Amount
	if err == nil {
		a, err = signed(value, negative)
	}
	switch {
	case errors.Is(err, errTooFine):
		return 0, fmt.Errorf("amount %q is finer than the minor unit of %s; write at most %d decimals", s, c.Code, c.Digits)
	case errors.Is(err, ErrOverflow):
		return 0, fmt.Errorf("amount %q: %w; the largest is %s", s, err, c.Format(math.MaxInt64))
	case err != nil:
		return 0, fmt.Errorf("amount %q: %w", s, err)
	}
	return a, nil
}

// Format writes an amount with exactly Digits decimals: "24.00", "-0.05". It
// is the inverse of Parse.
func (c Currency) Format(a Amount) string {
	text := formatDecimal(0, magnitude(int64(a)), c.Digits, c.Digits)
	if a < 0 {
		return "-" + text
	}
	return text
}

// FormatPrice writes a unit price with as many decimals as it needs, and not
// fewer than the currency has: "24.00", "0.0025".
func (c Currency) FormatPrice(p Price) string {
	return formatDecimal(0, uint64(p), PriceDigits, c.Digits)
}

// String is the code.
func (c Currency) String() string { return c.Code }

// MarshalText is the code, so that JSON says "USD".
func (c Currency) MarshalText() ([]byte, error) { return []byte(c.Code), nil }

// UnmarshalText is the inverse of MarshalText.
func (c *Currency) UnmarshalText(text []byte) (err error) {
	*c, err = CurrencyOf(string(text))
	return err
}
