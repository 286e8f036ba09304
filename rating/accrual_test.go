package rating

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// drawRates is an operation of any model and basis.
func drawRates(t *rapid.T) *pricebook.Operation {
	op := drawOperation(t, drawModel(t))
	op.Basis = rapid.SampledFrom([]pricebook.Basis{pricebook.PayPerUseCalls, pricebook.AllSuccessful}).Draw(t, "basis")
	return op
}

func drawHour(t *rapid.T) Hour {
	calls := rapid.Map(rapid.IntRange(-20, 25), func(n int) uint64 { return uint64(max(n, 0)) })
	return Hour{Free: calls.Draw(t, "free"), Package: calls.Draw(t, "package"), PayPerUse: calls.Draw(t, "payg")}
}

// D8, D9, D12: after every hour the accrual is what each call costs by itself,
// under every model and basis; the debits add up to the charge; the bands of
// all_successful add up to Exact, and each holds the calls of its tier.
func TestAccrualIsThatOfEachCall(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		op, cur := drawRates(t), drawCurrency(t)
		calls := ledgerOfCalls{op: op}
		var a Accrual
		var use TierUse
		var debited, before money.Amount
		for range rapid.IntRange(0, 8).Draw(t, "hours") {
			h := drawHour(t)
			calls.add(h)
			after, err := a.Add(op, h)
			if err != nil {
				t.Fatal(err)
			}
			charge, err := after.Charge(cur)
			if err != nil {
				t.Fatal(err)
			}
			if op.Model == pricebook.Graduated && charge < before {
				t.Fatalf("%+v after %+v lowers the charge from %d to %d", h, a, before, charge)
			}
			if err := use.Add(op, h); err != nil {
				t.Fatal(err)
			}
			a, debited, before = after, debited+charge-before, charge
		}
		inTiers, exact := calls.tiers()
		if want := rounded(exact, cur); bigOf(a.Exact).Cmp(exact) != 0 || debited != want || before != want {
			t.Fatalf("%+v costs %s and was debited %d; want %s, %d", a, a.Exact, debited, exact, want)
		}
		if a.PayPerUse != uint64(len(calls.payPerUse)) {
			t.Fatalf("%d pay-per-use calls are counted as %d", len(calls.payPerUse), a.PayPerUse)
		}
		if op.Basis == pricebook.AllSuccessful {
			checkTierUse(t, &use, op, a, inTiers)
		}
	})
}

func checkTierUse(t *rapid.T, use *TierUse, op *pricebook.Operation, a Accrual, inTiers []int64) {
	bands, err := use.bands(op, int64(a.PayPerUse))
	if err != nil {
		t.Fatal(err)
	}
	var total money.Total
	first := int64(1)
	for i, tier := range op.Tiers {
		if inTiers[i] > 0 {
			b := bands[0]
			bands = bands[1:]
			if b.Calls != inTiers[i] || b.From != first || b.To != tier.UpTo || b.Price != tier.Price {
				t.Fatalf("tier %d with %d calls is explained by %+v", i, inTiers[i], b)
			}
			if total, err = total.Add(b.Calls, b.Price); err != nil {
				t.Fatal(err)
			}
		}
		first = tier.UpTo + 1
	}
	if len(bands) > 0 || total != a.Exact {
		t.Fatalf("the bands cost %s, %v are left; want %s", total, bands, a.Exact)
	}
}

// cut deals calls out to hours, nodes and transactions.
func cut(t *rapid.T, whole Hour, label string) []Hour {
	parts := make([]Hour, rapid.IntRange(1, 6).Draw(t, label))
	deal := func(calls uint64, to func(*Hour) *uint64) {
		for i := range parts[1:] {
			n := rapid.Uint64Range(0, calls).Draw(t, label)
			*to(&parts[i+1]) = n
			calls -= n
		}
		*to(&parts[0]) = calls
	}
	deal(whole.Free, func(h *Hour) *uint64 { return &h.Free })
	deal(whole.Package, func(h *Hour) *uint64 { return &h.Package })
	deal(whole.PayPerUse, func(h *Hour) *uint64 { return &h.PayPerUse })
	return rapid.Permutation(parts).Draw(t, label)
}

// D9, D12: under the default basis a month costs the same, and its debits add
// up to the same, however its calls are cut.
func TestCutsDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		op, cur := drawOperation(t, drawModel(t)), drawCurrency(t)
		calls := rapid.Uint64Range(0, 300)
		whole := Hour{calls.Draw(t, "free"), calls.Draw(t, "package"), calls.Draw(t, "payg")}
		want, err := Accrual{}.Add(op, whole)
		if err != nil {
			t.Fatal(err)
		}
		charge, err := Charge(op, cur, int64(whole.PayPerUse))
		if err != nil {
			t.Fatal(err)
		}
		var a Accrual
		var debited, before money.Amount
		for _, h := range cut(t, whole, "part") {
			if a, err = a.Add(op, h); err != nil {
				t.Fatal(err)
			}
			after, err := a.Charge(cur)
			if err != nil {
				t.Fatal(err)
			}
			debited, before = debited+after-before, after
		}
		if a != want || debited != charge {
			t.Fatalf("cut calls are %+v and debited %d; in one piece %+v, %d", a, debited, want, charge)
		}
	})
}

// D9: under all_successful what came before an hour counts by its sum alone,
// and within an hour it does not matter how much was free and how much package.
func TestOnlyTheOrderOfHoursMatters(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		op := drawOperation(t, drawModel(t))
		op.Basis = pricebook.AllSuccessful
		before := Accrual{Successful: rapid.Uint64Range(0, 200).Draw(t, "before")}
		h := drawHour(t)
		other := Hour{Package: h.Free + h.Package, PayPerUse: h.PayPerUse}
		a, errA := before.Add(op, h)
		b, errB := before.Add(op, other)
		if errA != nil || errB != nil || a != b {
			t.Fatalf("%+v gives %+v, %v and %+v gives %+v, %v", h, a, errA, other, b, errB)
		}
		if op.Model == pricebook.Volume {
			return
		}
		split, err := before.Add(op, Hour{Free: h.Free, Package: h.Package})
		if err == nil {
			split, err = split.Add(op, Hour{PayPerUse: h.PayPerUse})
		}
		if err != nil || split != a {
			t.Fatalf("free and package calls first gives %+v, %v; want %+v", split, err, a)
		}
	})
}

// More pay-per-use calls never cost less under graduated tiers (D8).
func TestGraduatedChargesGrow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		op, cur := drawRates(t), drawCurrency(t)
		op.Model = pricebook.Graduated
		before := Accrual{Successful: rapid.Uint64Range(0, 200).Draw(t, "before")}
		h := drawHour(t)
		more := h
		more.PayPerUse += rapid.Uint64Range(0, 50).Draw(t, "more")
		a, errA := before.Add(op, h)
		b, errB := before.Add(op, more)
		small, errC := a.Charge(cur)
		large, errD := b.Charge(cur)
		if err := errors.Join(errA, errB, errC, errD); err != nil || large < small {
			t.Fatalf("%+v costs %d, %+v costs %d, %v", h, small, more, large, err)
		}
	})
}

// Whatever the counts and prices, the result is exact or an error.
func TestAccrualNeverWraps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		any64 := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 100), rapid.Uint64Range(math.MaxInt64-100, math.MaxInt64+100),
			rapid.SampledFrom([]uint64{0, math.MaxUint64, math.MaxInt64}))
		price := rapid.Map(any64, func(n uint64) money.Price { return money.Price(n >> 1) })
		op := drawRates(t)
		for i := range op.Tiers {
			op.Tiers[i].Price = price.Draw(t, "price")
		}
		before := Accrual{PayPerUse: any64.Draw(t, "payg before"), Successful: any64.Draw(t, "before"),
			Exact: money.TotalOf(any64.Draw(t, "hi"), any64.Draw(t, "lo"))}
		h := Hour{any64.Draw(t, "free"), any64.Draw(t, "package"), any64.Draw(t, "payg")}
		after, err := before.Add(op, h)
		payPerUse, successful := sumOf(before.PayPerUse, h.PayPerUse), sumOf(before.Successful, h.Free, h.Package, h.PayPerUse)
		if !payPerUse.IsInt64() || !successful.IsInt64() {
			if !errors.Is(err, money.ErrOverflow) || after != (Accrual{}) {
				t.Fatalf("%+v and %+v give %+v, %v", before, h, after, err)
			}
			return
		}
		want := exactly(op, before, h)
		fits := want.BitLen() <= 128
		if fits != (err == nil) || (err != nil && !errors.Is(err, money.ErrOverflow)) {
			t.Fatalf("%+v and %+v give %+v, %v; want %s", before, h, after, err, want)
		}
		if err == nil && (after.PayPerUse != payPerUse.Uint64() || after.Successful != successful.Uint64() || bigOf(after.Exact).Cmp(want) != 0) {
			t.Fatalf("%+v and %+v give %+v; want %s", before, h, after, want)
		}
	})
}

func TestAccrualRefuses(t *testing.T) {
	t.Parallel()
	subscribed := &pricebook.Operation{Name: "a/b", Funding: pricebook.Subscribed}
	if a, err := (Accrual{}).Add(subscribed, Hour{PayPerUse: 1}); err == nil {
		t.Errorf("calls without a price accrue %+v", a)
	}
	one := &pricebook.Operation{Name: "a/b", Basis: pricebook.AllSuccessful, Tiers: []pricebook.Tier{{Price: 1}}}
	two := &pricebook.Operation{Name: "a/b", Basis: pricebook.AllSuccessful, Tiers: []pricebook.Tier{{Price: 2}}}
	var use TierUse
	if err := use.Add(one, Hour{PayPerUse: 1}); err != nil {
		t.Fatal(err)
	}
	if err := use.Add(two, Hour{PayPerUse: 1}); err == nil {
		t.Error("two prices in one month are explained")
	}
	if err := use.Add(one, Hour{PayPerUse: math.MaxInt64}); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("too many calls: %v", err)
	}
	if bands, err := use.bands(one, 1); err != nil || len(bands) != 1 {
		t.Errorf("what was refused is explained: %v, %v", bands, err)
	}
	if charge, err := Charge(two, money.Currency{Code: "USD", Digits: 2}, 1); err == nil {
		t.Errorf("a number of calls costs %d under all_successful", charge)
	}
	two.Basis = pricebook.PayPerUseCalls
	if err := use.Add(&pricebook.Operation{Name: "c/d", Tiers: two.Tiers}, Hour{PayPerUse: 1}); err != nil || len(use.operations) != 1 {
		t.Errorf("the default basis is kept: %v, %v", use.operations, err)
	}
	if charge, err := Charge(two, money.Currency{Code: "USD", Digits: 2}, -1); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("-1 calls cost %d, %v", charge, err)
	}
}

func TestAccrualDoesNotAllocate(t *testing.T) {
	op, cur := exampleOperation(t)
	all := *op
	all.Basis = pricebook.AllSuccessful
	for _, op := range []*pricebook.Operation{op, &all} {
		if n := testing.AllocsPerRun(100, func() {
			a, _ := Accrual{Successful: 9_000}.Add(op, Hour{100, 100, 2_000_000})
			_, _ = a.Charge(cur)
		}); n != 0 {
			t.Errorf("%s: %v allocations", op.Basis, n)
		}
	}
}

func BenchmarkAccrual(b *testing.B) {
	op, cur := exampleOperation(b)
	all := *op
	all.Basis = pricebook.AllSuccessful
	for _, op := range []*pricebook.Operation{op, &all} {
		b.Run(op.Basis.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a, err := Accrual{PayPerUse: 9_000, Successful: 10_000}.Add(op, Hour{10, 10, 2_000})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := a.Charge(cur); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
