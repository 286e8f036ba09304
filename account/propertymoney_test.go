package account

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// What is due is calculated here once more, with math/big and otherwise.

// roundOff is n ÷ d, half away from zero.
func roundOff(n, d *big.Int) *big.Int {
	twice := new(big.Int).Abs(n)
	twice.Mul(twice, big.NewInt(2)).Add(twice, d)
	twice.Div(twice, new(big.Int).Mul(d, big.NewInt(2)))
	if n.Sign() < 0 {
		twice.Neg(twice)
	}
	return twice
}

// monthCost is what an operation's calls of a month cost.
func monthCost(op *pricebook.Operation, cur money.Currency, hours []rating.Hour) *big.Int {
	sum, payg, all := new(big.Int), uint64(0), uint64(0)
	priced := func(from, to uint64) { // graduated: each tier's share of the calls
		low := uint64(0)
		for _, tier := range op.Tiers {
			high := uint64(tier.UpTo)
			if high == 0 {
				high = math.MaxUint64
			}
			if a, b := max(low, from), min(high, to); a < b {
				sum.Add(sum, new(big.Int).Mul(new(big.Int).SetUint64(b-a), big.NewInt(int64(tier.Price))))
			}
			low = high
		}
	}
	for _, h := range hours {
		from := payg
		if op.Basis == pricebook.AllSuccessful {
			from = all + h.Free + h.Package
		}
		if op.Model == pricebook.Graduated {
			priced(from, from+h.PayPerUse)
		}
		payg += h.PayPerUse
		all += h.Free + h.Package + h.PayPerUse
	}
	if op.Model == pricebook.Volume {
		reached := payg
		if op.Basis == pricebook.AllSuccessful {
			reached = all
		}
		for _, tier := range op.Tiers {
			if tier.UpTo == 0 || reached <= uint64(tier.UpTo) {
				sum.Mul(new(big.Int).SetUint64(payg), big.NewInt(int64(tier.Price)))
				break
			}
		}
	}
	return roundOff(sum, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(money.PriceDigits-cur.Digits)), nil))
}

var genCurrency = rapid.Custom(func(t *rapid.T) money.Currency {
	cur, err := money.CurrencyOf(rapid.SampledFrom([]string{"USD", "JPY", "KWD", "CLF"}).Draw(t, "currency"))
	if err != nil {
		t.Fatal(err)
	}
	return cur
})

var genOperation = rapid.Custom(func(t *rapid.T) *pricebook.Operation {
	op := &pricebook.Operation{Name: "r/o", Model: pricebook.Model(rapid.IntRange(0, 1).Draw(t, "model")), Basis: pricebook.Basis(rapid.IntRange(0, 1).Draw(t, "basis"))}
	price := rapid.OneOf(rapid.Int64Range(0, 1e15), rapid.SampledFrom([]int64{0, 1, 5e9, 1e10, 15e9, 1e12}))
	bound, most := int64(0), rapid.SampledFrom([]int64{5, 100, 1e9}).Draw(t, "wide")
	for range rapid.IntRange(0, 3).Draw(t, "bounds") {
		bound += rapid.Int64Range(1, most).Draw(t, "up to")
		op.Tiers = append(op.Tiers, pricebook.Tier{UpTo: bound, Price: money.Price(price.Draw(t, "price"))})
	}
	op.Tiers = append(op.Tiers, pricebook.Tier{Price: money.Price(price.Draw(t, "price"))})
	return op
})

var genHours = rapid.Custom(func(t *rapid.T) (hours []rating.Hour) {
	calls := rapid.Uint64Range(0, rapid.SampledFrom([]uint64{3, 60, 1e9}).Draw(t, "calls"))
	for range rapid.IntRange(1, 6).Draw(t, "hours") {
		hours = append(hours, rating.Hour{Free: calls.Draw(t, "free"), Package: calls.Draw(t, "package"), PayPerUse: calls.Draw(t, "payg")})
	}
	return hours
})

// settleHours settles the hours of a month and adds up what they debit.
func settleHours(t *rapid.T, a *Account, op *pricebook.Operation, cur money.Currency, month uint32, hours []rating.Hour) (sum money.Amount) {
	e := Env{Currency: cur, Zone: lifeZone, Books: lifeBooks, Policy: DefaultPolicy}
	start, _ := rating.MonthBounds(rating.Month(month), lifeZone)
	for i, h := range hours {
		line := func(kind Kind, ref uint32, calls uint64) Count {
			return Count{Line{Account: 1, Operation: 1, Kind: kind, Ref: ref}, calls}
		}
		counts := []Count{line(Free, month, h.Free), line(Package, 1, h.Package), line(PayPerUse, 0, h.PayPerUse)}
		p := Period{Start: start + int64(i)*3600, End: start + int64(i)*3600 + 3600, Month: month}
		before := a.Balance
		charges, _, err := a.Settle(p, counts, func(uint16) (*pricebook.Operation, bool) { return op, true }, e.at(p.End))
		if err != nil {
			t.Fatal(err)
		}
		debited := money.Amount(0)
		for _, c := range charges {
			if debited += c.Amount; c.Amount != 0 && c.Kind != PayPerUse {
				t.Fatalf("%s costs %d", c.Kind, c.Amount)
			}
		}
		if a.Balance != before-debited {
			t.Fatalf("charges of %d, the balance falls by %d", debited, before-a.Balance)
		}
		sum += debited
	}
	return sum
}

// TestMonthIsItsHours: what the hours of a month debit is the month's charge,
// rounded once, month after month (D12).
func TestMonthIsItsHours(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		op, cur := genOperation.Draw(t, "operation"), genCurrency.Draw(t, "currency")
		a := &Account{Number: 1, ID: "acme", PackagesBought: 1, CreditLimit: math.MaxInt64}
		for _, month := range []uint32{202701, 202702} {
			hours := genHours.Draw(t, "hours")
			if got, want := settleHours(t, a, op, cur, month, hours), monthCost(op, cur, hours); want.Cmp(big.NewInt(int64(got))) != 0 {
				t.Fatalf("%+v, %+v in %s: debits of %d, should be %s", op, hours, cur, got, want)
			}
		}
	})
}

// TestCutsDoNotMatter: under the default basis a month costs the same however
// its calls come, in one hour or in many (D9, D12).
func TestCutsDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		op, cur, hours := genOperation.Draw(t, "operation"), genCurrency.Draw(t, "currency"), genHours.Draw(t, "hours")
		op.Basis = pricebook.PayPerUseCalls
		var whole rating.Hour
		var cut []rating.Hour
		for _, h := range hours {
			first := rapid.Uint64Range(0, h.PayPerUse).Draw(t, "cut")
			cut = append(cut, rating.Hour{PayPerUse: first}, rating.Hour{Package: h.Package}, rating.Hour{Free: h.Free, PayPerUse: h.PayPerUse - first})
			whole = rating.Hour{Free: whole.Free + h.Free, Package: whole.Package + h.Package, PayPerUse: whole.PayPerUse + h.PayPerUse}
		}
		var balances []money.Amount
		for _, hours := range [][]rating.Hour{hours, cut, {whole}} {
			a := &Account{Number: 1, ID: "acme", PackagesBought: 1, CreditLimit: math.MaxInt64}
			settleHours(t, a, op, cur, 202701, hours)
			balances = append(balances, a.Balance)
		}
		if balances[0] != balances[1] || balances[0] != balances[2] {
			t.Fatalf("%+v, %+v: %d", op, hours, balances)
		}
	})
}

// TestQuoteIsCharge: what a preview on a copy says is what the command then
// moves, is accepted as max_amount, and nothing less is (D34).
func TestQuoteIsCharge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(genPolicy.Draw(t, "policy"))
		steps := genSteps(t, lifeSteps)
		l.live(steps)
		e := l.env.at(steps[len(steps)-1].at + rapid.Int64Range(0, 20*day).Draw(t, "later"))
		command, most := genPriced(t)
		preview, err := Do(l.Clone(), command, e)
		if err != nil {
			return
		}
		quoted, err := e.Currency.Parse(amountOf(preview.Answer))
		if err != nil {
			t.Fatal(err)
		}
		*most = e.Currency.Format(-quoted - 1)
		_, err = Do(l.Clone(), command, e)
		if no, ok := err.(*Error); !ok || no.Why != Dearer || no.Amount != e.Currency.Format(-quoted) {
			t.Fatalf("%+v for %s: %v", command, *most, err)
		}
		*most = e.Currency.Format(-quoted)
		a := l.Clone()
		effects, err := Do(a, command, e)
		moved := money.Amount(0)
		for _, m := range effects.Movements {
			moved += m.Amount
		}
		if err != nil || amountOf(effects.Answer) != amountOf(preview.Answer) || a.Balance != l.Balance+moved {
			t.Fatalf("%+v quoted %d: %+v, %v", command, quoted, effects, err)
		}
	})
}

// genPriced draws a command that costs something, and where its max_amount is.
func genPriced(t *rapid.T) (Command, *string) {
	for {
		switch c := genCommand.Draw(t, "priced").(type) {
		case *BuyPackage:
			return c, &c.MaxAmount
		case *RenewPackage:
			return c, &c.MaxAmount
		case *Subscribe:
			return c, &c.MaxAmount
		case *RenewSubscription:
			return c, &c.MaxAmount
		case *ChangeSubscription:
			return c, &c.MaxAmount
		}
	}
}

func amountOf(answer any) string {
	switch answer := answer.(type) {
	case PackageAnswer:
		return answer.Amount
	case SubscriptionAnswer:
		return answer.Amount
	}
	panic(fmt.Sprintf("%T", answer))
}
