package money

import (
	"errors"
	"flag"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestMain checks each property 10,000 times, unless -rapid.checks says otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "10000"); err != nil {
		panic(err)
	}
	m.Run()
}

func mustCurrency(t testing.TB, code string) Currency {
	t.Helper()
	c, err := CurrencyOf(code)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCurrencyDigits(t *testing.T) {
	t.Parallel()
	for code, digits := range map[string]int{
		"USD": 2, "CNY": 2, "EUR": 2, "XCG": 2, "ZMW": 2, "AED": 2, "BOV": 2, "ZWG": 2,
		"JPY": 0, "KRW": 0, "XPF": 0, "UYI": 0, "VND": 0,
		"KWD": 3, "TND": 3, "IQD": 3, "CLF": 4, "UYW": 4,
	} {
		if c := mustCurrency(t, code); c.Digits != digits || c.Code != code {
			t.Errorf("%s: got %+v, want %d digits", code, c, digits)
		}
	}
	for _, code := range []string{"", "US", "usd", "USDX", "XXX", "XAU", "D A", "SD ", "ABC", "HRK"} {
		if c, err := CurrencyOf(code); err == nil {
			t.Errorf("%q is taken for %+v", code, c)
		}
	}
}

func TestCurrencyCodesAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, codes := range activeCodes {
		for _, code := range strings.Fields(codes) {
			if len(code) != 3 || seen[code] {
				t.Errorf("code %q is malformed or listed twice", code)
			}
			seen[code] = true
		}
	}
}

func TestParseAmount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code, text string
		want       Amount
	}{
		{"USD", "24.00", 2400}, {"USD", "24", 2400}, {"USD", "24.5", 2450}, {"USD", "-3", -300},
		{"USD", "0.01", 1}, {"USD", "-0.01", -1}, {"USD", "0", 0}, {"USD", "-0", 0},
		{"JPY", "24", 24}, {"KWD", "0.001", 1}, {"CLF", "1.2345", 12345},
		{"USD", "92233720368547758.07", math.MaxInt64}, {"USD", "-92233720368547758.08", math.MinInt64},
	} {
		got, err := mustCurrency(t, test.code).Parse(test.text)
		if err != nil || got != test.want {
			t.Errorf("%s %q: got %d, %v; want %d", test.code, test.text, got, err, test.want)
		}
	}
}

func TestParseAmountRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ code, text, want string }{
		{"USD", "0.005", "finer"}, {"USD", "24.000", "finer"}, {"JPY", "1.0", "finer"},
		{"USD", "92233720368547758.08", "out of range"}, {"USD", "-92233720368547758.09", "out of range"},
		{"USD", "184467440737095516.16", "out of range"}, {"USD", strings.Repeat("9", 400), "out of range"},
		{"USD", "", "plain"}, {"USD", "-", "plain"}, {"USD", "1e2", "plain"}, {"USD", "1e400", "plain"},
		{"USD", "NaN", "plain"}, {"USD", "Inf", "plain"}, {"USD", "+1", "plain"}, {"USD", " 1", "plain"},
		{"USD", "1,000", "plain"}, {"USD", "1_000", "plain"}, {"USD", ".5", "plain"}, {"USD", "5.", "plain"},
		{"USD", "007", "plain"}, {"USD", "--1", "plain"}, {"USD", "1.2.3", "plain"}, {"USD", "１", "plain"},
	} {
		got, err := mustCurrency(t, test.code).Parse(test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %q: got %d, %v; want an error with %q", test.code, test.text, got, err, test.want)
		}
	}
}

func TestPrices(t *testing.T) {
	t.Parallel()
	usd := mustCurrency(t, "USD")
	for _, test := range []struct {
		text          string
		want          Price
		short, padded string
	}{
		{"0.0030", 3_000_000_000, "0.003", "0.003"},
		{"24", 24_000_000_000_000, "24", "24.00"},
		{"0.5", 500_000_000_000, "0.5", "0.50"},
		{"0.000000000001", 1, "0.000000000001", "0.000000000001"},
		{"0", 0, "0", "0.00"},
		{"9223372.036854775807", math.MaxInt64, "9223372.036854775807", "9223372.036854775807"},
	} {
		got, err := ParsePrice(test.text)
		if err != nil || got != test.want || got.String() != test.short || usd.FormatPrice(got) != test.padded {
			t.Errorf("%q: got %d %s %s, %v; want %+v", test.text, int64(got), got, usd.FormatPrice(got), err, test)
		}
	}
	for text, want := range map[string]string{
		"0.0000000000001": "decimals", "-1": "negative", "9223372.036854775808": "out of range",
		"99999999999999999999": "out of range", "1e-3": "plain", "": "plain",
	} {
		if _, err := ParsePrice(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
	}
}

func TestTotalRoundsHalfAwayFromZero(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code, price string
		calls       int64
		want        Amount
	}{
		{"USD", "0.0050", 1, 1}, {"USD", "0.004999999999", 1, 0}, {"USD", "0.0150", 1, 2},
		{"USD", "0.0025", 1001, 250}, {"USD", "0.0025", 1002, 251},
		{"JPY", "0.5", 1, 1}, {"JPY", "0.499999999999", 1, 0}, {"KWD", "0.0005", 1, 1}, {"CLF", "0.00005", 1, 1},
	} {
		price, err := ParsePrice(test.price)
		if err != nil {
			t.Fatal(err)
		}
		total, err := Total{}.Add(test.calls, price)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := total.Round(mustCurrency(t, test.code)); err != nil || got != test.want {
			t.Errorf("%+v: got %d, %v", test, got, err)
		}
	}
}

func TestTotalOverflow(t *testing.T) {
	t.Parallel()
	total, err := Total{}.Add(math.MaxInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := total.Round(mustCurrency(t, "USD")); !errors.Is(err, ErrOverflow) {
		t.Errorf("rounding 8.5e25 gives %d, %v", got, err)
	}
	for range 8 {
		if err == nil {
			total, err = total.Add(math.MaxInt64, math.MaxInt64)
		}
	}
	if !errors.Is(err, ErrOverflow) {
		t.Errorf("nine largest products give %s, %v", total, err)
	}
	if _, err := (Total{}).Add(-1, 1); !errors.Is(err, ErrOverflow) {
		t.Errorf("negative calls: %v", err)
	}
}

// Every operation agrees with arithmetic that cannot overflow.
func TestArithmeticAgainstBig(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		any64 := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1000, 1000),
			rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64, math.MaxInt64 - 1}))
		a, b := Amount(any64.Draw(t, "a")), Amount(any64.Draw(t, "b"))
		den := rapid.OneOf(rapid.Int64Range(1, math.MaxInt64), rapid.Int64Range(1, 10)).Draw(t, "den")
		x, y := big.NewInt(int64(a)), big.NewInt(int64(b))
		product := new(big.Int).Mul(x, y)
		for _, test := range []struct {
			name string
			want *big.Int
			got  func() (Amount, error)
		}{
			{"add", new(big.Int).Add(x, y), func() (Amount, error) { return a.Add(b) }},
			{"sub", new(big.Int).Sub(x, y), func() (Amount, error) { return a.Sub(b) }},
			{"neg", new(big.Int).Neg(x), a.Neg},
			{"mul", product, func() (Amount, error) { return a.Mul(int64(b)) }},
			{"mul-div", halfAway(product, big.NewInt(den)), func() (Amount, error) { return a.MulDiv(int64(b), den) }},
		} {
			got, err := test.got()
			if test.want.IsInt64() != (err == nil) || (err == nil && test.want.Int64() != int64(got)) {
				t.Fatalf("%s: got %d, %v; want %s", test.name, got, err, test.want)
			}
			if err != nil && !errors.Is(err, ErrOverflow) {
				t.Fatalf("%s: error %v is not ErrOverflow", test.name, err)
			}
		}
	})
}

func TestTotalAgainstBig(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		calls := rapid.SliceOfN(rapid.Int64Range(0, math.MaxInt64), 1, 4).Draw(t, "calls")
		prices := rapid.SliceOfN(rapid.Int64Range(0, math.MaxInt64), len(calls), len(calls)).Draw(t, "prices")
		c := Currency{"XTS", rapid.IntRange(0, 4).Draw(t, "digits")}
		want, got := new(big.Int), Total{}
		for i := range calls {
			var err error
			if got, err = got.Add(calls[i], Price(prices[i])); err != nil {
				t.Fatal(err) // four products are below 2^128
			}
			want.Add(want, new(big.Int).Mul(big.NewInt(calls[i]), big.NewInt(prices[i])))
		}
		hi, lo := got.Parts()
		if TotalOf(hi, lo) != got || new(big.Int).Add(new(big.Int).Lsh(new(big.Int).SetUint64(hi), 64), new(big.Int).SetUint64(lo)).Cmp(want) != 0 {
			t.Fatalf("the parts are %d and %d, want %s", hi, lo, want)
		}
		if text := exactText(want); got.String() != text {
			t.Fatalf("got %s, want %s", got, text)
		}
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(PriceDigits-c.Digits)), nil)
		rounded := halfAway(want, scale)
		amount, err := got.Round(c)
		if rounded.IsInt64() != (err == nil) || (err == nil && rounded.Int64() != int64(amount)) {
			t.Fatalf("round: got %d, %v; want %s", amount, err, rounded)
		}
	})
}

// halfAway is x ÷ d rounded half away from zero.
func halfAway(x, d *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(new(big.Int).Abs(x), d, new(big.Int))
	if r.Lsh(r, 1).Cmp(d) >= 0 {
		q.Add(q, big.NewInt(1))
	}
	if x.Sign() < 0 {
		q.Neg(q)
	}
	return q
}

// exactText is x × 10^-12 as the shortest decimal.
func exactText(x *big.Int) string {
	s := new(big.Rat).SetFrac(x, big.NewInt(1_000_000_000_000)).FloatString(PriceDigits)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func TestRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Currency{"XTS", rapid.IntRange(0, 4).Draw(t, "digits")}
		a := Amount(rapid.Int64().Draw(t, "amount"))
		if got, err := c.Parse(c.Format(a)); err != nil || got != a {
			t.Fatalf("%d is written %s and read %d, %v", a, c.Format(a), got, err)
		}
		p := Price(rapid.Int64Range(0, math.MaxInt64).Draw(t, "price"))
		for _, text := range []string{p.String(), c.FormatPrice(p)} {
			if got, err := ParsePrice(text); err != nil || got != p {
				t.Fatalf("%d is written %s and read %d, %v", int64(p), text, int64(got), err)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"24.00", "-3", "0.005", "1e400", "NaN", "", "00", "9223372036854775808", "-0.0"} {
		f.Add(seed, uint8(2))
	}
	f.Fuzz(func(t *testing.T, text string, digits uint8) {
		c := Currency{"XTS", int(digits % 5)}
		a, err := c.Parse(text)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(text)
		got := new(big.Rat).SetFrac(big.NewInt(int64(a)), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.Digits)), nil))
		if !ok || want.Cmp(got) != 0 {
			t.Fatalf("%q is read as %s", text, c.Format(a))
		}
		if again, err := c.Parse(c.Format(a)); err != nil || again != a {
			t.Fatalf("%q is written as %s and read as %d, %v", text, c.Format(a), again, err)
		}
	})
}

func FuzzParsePrice(f *testing.F) {
	for _, seed := range []string{"0.0025", "0.0000000000001", "-1", "9223372.036854775808"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePrice(text)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(text)
		got := new(big.Rat).SetFrac(big.NewInt(int64(p)), big.NewInt(1_000_000_000_000))
		if !ok || want.Cmp(got) != 0 {
			t.Fatalf("%q is read as %s", text, p)
		}
	})
}
