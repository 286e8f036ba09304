package rating

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

func drawCurrency(t *rapid.T) money.Currency {
	code := rapid.SampledFrom([]string{"USD", "JPY", "KWD", "CLF"}).Draw(t, "currency")
	cur, err := money.CurrencyOf(code)
	if err != nil {
		t.Fatal(err)
	}
	return cur
}

func drawOperation(t *rapid.T, model pricebook.Model) *pricebook.Operation {
	op := &pricebook.Operation{Name: "a/b", Model: model}
	bound := int64(0)
	for range rapid.IntRange(0, 4).Draw(t, "bounded tiers") {
		bound += rapid.Int64Range(1, 50).Draw(t, "width")
		op.Tiers = append(op.Tiers, pricebook.Tier{UpTo: bound, Price: drawPrice(t)})
	}
	op.Tiers = append(op.Tiers, pricebook.Tier{Price: drawPrice(t)})
	return op
}

func drawPrice(t *rapid.T) money.Price {
	return money.Price(rapid.OneOf(rapid.Int64Range(0, 3e12), rapid.Map(rapid.Int64Range(0, 30), func(n int64) int64 { return n * 1e9 })).Draw(t, "price"))
}

func drawModel(t *rapid.T) pricebook.Model {
	return rapid.SampledFrom([]pricebook.Model{pricebook.Graduated, pricebook.Volume}).Draw(t, "model")
}

// chargeOneByOne prices each call by itself, in fractions.
func chargeOneByOne(op *pricebook.Operation, cur money.Currency, calls int64) money.Amount {
	sum := new(big.Int)
	for n := int64(1); n <= calls; n++ {
		ordinal := n
		if op.Model == pricebook.Volume {
			ordinal = calls
		}
		for _, tier := range op.Tiers {
			if tier.UpTo == 0 || ordinal <= tier.UpTo {
				sum.Add(sum, big.NewInt(int64(tier.Price)))
				break
			}
		}
	}
	return rounded(sum, cur)
}

// D8: the charge is that of every call priced by itself, and so are the bands.
func TestChargeIsThatOfEachCall(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		op, cur := drawOperation(t, drawModel(t)), drawCurrency(t)
		calls := rapid.Int64Range(0, 250).Draw(t, "calls")
		want := chargeOneByOne(op, cur, calls)
		if got, err := Charge(op, cur, calls); err != nil || got != want {
			t.Fatalf("charge is %d, %v; want %d", got, err, want)
		}
		bands, err := Bands(op, 0, calls)
		if err != nil {
			t.Fatal(err)
		}
		var total money.Total
		next := int64(1)
		for _, b := range bands {
			if b.From != next || b.Calls != b.To-b.From+1 || b.Calls < 1 {
				t.Fatalf("band %+v does not follow call %d", b, next-1)
			}
			if total, err = total.Add(b.Calls, b.Price); err != nil {
				t.Fatal(err)
			}
			next = b.To + 1
		}
		if rounded, err := total.Round(cur); err != nil || rounded != want || next != calls+1 {
			t.Fatalf("bands up to %d add up to %d, %v; want %d", next-1, rounded, err, want)
		}
	})
}

// D12: however a month is cut into settlements, its debits are the month's
// charge; graduated debits are never negative.
func TestDebitsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		op, cur := drawOperation(t, drawModel(t)), drawCurrency(t)
		var calls int64
		var sum money.Amount
		for _, n := range rapid.SliceOf(rapid.Int64Range(0, 40)).Draw(t, "settlements") {
			amount, err := debit(op, cur, calls, calls+n)
			if err != nil {
				t.Fatal(err)
			}
			if op.Model == pricebook.Graduated && amount < 0 {
				t.Fatalf("%d calls after %d debit %d", n, calls, amount)
			}
			sum, calls = sum+amount, calls+n
		}
		if want, err := Charge(op, cur, calls); err != nil || sum != want {
			t.Fatalf("debits add up to %d, the charge is %d, %v", sum, want, err)
		}
	})
}

// Bands from anywhere continue those up to there.
func TestBandsContinue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		op := drawOperation(t, pricebook.Graduated)
		from := rapid.Int64Range(0, 250).Draw(t, "from")
		to := from + rapid.Int64Range(0, 250).Draw(t, "more")
		var sum, want money.Total
		for i, part := range [][2]int64{{0, from}, {from, to}, {0, to}} {
			bands, err := Bands(op, part[0], part[1])
			if err != nil {
				t.Fatal(err)
			}
			into := &sum
			if i == 2 {
				into = &want
			}
			for _, b := range bands {
				if *into, err = into.Add(b.Calls, b.Price); err != nil {
					t.Fatal(err)
				}
			}
		}
		if sum != want {
			t.Fatalf("bands of the parts cost %s, of the whole %s", sum, want)
		}
	})
}

func TestBandsRefuse(t *testing.T) {
	t.Parallel()
	op := &pricebook.Operation{Name: "a/b", Tiers: []pricebook.Tier{{Price: 1}}}
	for _, r := range [][2]int64{{-1, 1}, {2, 1}} {
		if bands, err := Bands(op, r[0], r[1]); err == nil {
			t.Errorf("calls %d to %d have bands %v", r[0], r[1], bands)
		}
	}
	op.Tiers[0].UpTo = 5
	if bands, err := Bands(op, 0, 6); err == nil {
		t.Errorf("calls without a price have bands %v", bands)
	}
	if charge, err := Charge(op, money.Currency{Code: "USD", Digits: 2}, 6); err == nil {
		t.Errorf("calls without a price cost %d", charge)
	}
}

func exampleOperation(t testing.TB) (*pricebook.Operation, money.Currency) {
	t.Helper()
	book, err := pricebook.Load("../pricebook.yaml")
	if err != nil {
		t.Fatal(err)
	}
	op, ok := book.Operation("recognition/image-tagging")
	if !ok {
		t.Fatal("the example has no image-tagging")
	}
	return op, book.Currency
}

// The check values of the shipped price book.
func TestExampleCharges(t *testing.T) {
	t.Parallel()
	op, cur := exampleOperation(t)
	for calls, want := range map[int64]string{
		0: "0.00", 10_000: "30.00", 100_000: "255.00", 1_000_000: "1875.00", 2_000_000: "2875.00",
	} {
		if got, err := Charge(op, cur, calls); err != nil || cur.Format(got) != want {
			t.Errorf("%d calls cost %s, %v; want %s", calls, cur.Format(got), err, want)
		}
	}
}

func TestChargeDoesNotAllocate(t *testing.T) {
	op, cur := exampleOperation(t)
	if n := testing.AllocsPerRun(100, func() { _, _ = debit(op, cur, 9_000, 2_000_000) }); n != 0 {
		t.Errorf("a debit makes %v allocations", n)
	}
}

func BenchmarkCharge(b *testing.B) {
	op, cur := exampleOperation(b)
	for _, bench := range []struct {
		name  string
		calls int64
	}{{"one tier", 9_000}, {"two tiers", 50_000}, {"four tiers", 2_000_000}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Charge(op, cur, bench.calls); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
