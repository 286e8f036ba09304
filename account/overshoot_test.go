package account

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// overshootEnv is the environment of one operation.
func overshootEnv(op *pricebook.Operation) Env {
	book := &pricebook.Book{Currency: lifeRates.Currency, Operations: []pricebook.Operation{*op}}
	return Env{Currency: book.Currency, Zone: lifeZone, Policy: DefaultPolicy, Books: func(int64) *pricebook.Book { return book },
		OperationNumber: func(string) (uint16, bool) { return 1, true }}.at(lifeStart)
}

// TestWorstOvershoot: no calls within the quota cost more, in this month or
// over its turn, and some cost as much (D19).
func TestWorstOvershoot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		op := genOperation.Draw(t, "operation")
		op.QPS = rapid.IntRange(1, 3).Draw(t, "qps")
		period, wait := rapid.Int64Range(1, 12).Draw(t, "period"), rapid.Int64Range(0, 6).Draw(t, "wait")
		e := overshootEnv(op)
		hours := genHours.Draw(t, "hours")
		a := &Account{Number: 1, ID: "acme", PackagesBought: 1, CreditLimit: math.MaxInt64}
		settleHours(t, a, op, e.Currency, 202701, hours)
		worst, bounded, err := a.WorstOvershoot(e, period, wait)
		if err != nil || !bounded {
			t.Fatal(bounded, err)
		}
		cost := func(hours []rating.Hour) *big.Int { return monthCost(op, e.Currency, hours) }
		most := new(big.Int)
		try := func(now, then int64) { // so many calls in this month, and in the next
			c := cost(append(hours[:len(hours):len(hours)], rating.Hour{PayPerUse: uint64(now)}))
			c.Sub(c, cost(hours)).Add(c, cost([]rating.Hour{{PayPerUse: uint64(then)}}))
			if c.Cmp(most) > 0 {
				most = c
			}
		}
		qps := int64(op.QPS)
		for n := range qps*(period+wait) + 1 {
			try(n, 0)
			try(0, n)
		}
		for then := range qps*wait + 1 {
			try(qps*period, then)
		}
		for now := range qps*period + 1 {
			try(now, qps*wait)
			try(now, int64(rapid.IntRange(0, int(qps*wait)).Draw(t, "then")))
		}
		for _, tier := range op.Tiers {
			for now := range qps*period + 1 {
				try(now, min(tier.UpTo, qps*wait))
			}
		}
		if most.Cmp(big.NewInt(int64(worst))) != 0 {
			t.Fatalf("%+v after %+v: the worst is %d, should be %s", op, hours, worst, most)
		}
	})
}

// TestWorstOvershootOf accounts and policies, in an hour and a minute.
func TestWorstOvershootOf(t *testing.T) {
	bounded := strings.ReplaceAll(lifeBook, "model: volume", "model: volume\n    qps: 1")
	bounded = strings.Replace(bounded, "tier_basis: all_successful\n    tiers: [{up_to: 10", "tier_basis: all_successful\n    qps: 1\n    tiers: [{up_to: 10", 1)
	for _, tc := range []struct {
		name, book string
		account    Account
		realtime   bool
		want       money.Amount
		bounded    bool
	}{
		{"an operation without quota", lifeBook, Account{}, false, 0, false},
		{"pay-per-use off", lifeBook, Account{NoPayPerUse: true}, false, 0, true},
		{"realtime", lifeBook, Account{}, true, 0, true},
		// If the month turns after the hour, the dear tiers come twice: 7,200 calls at
		// 20 × 0.0151 + 40 × 1.9 + 7,140 × 0.0033 and 120 as 20, 40 and 60; 3,600 × 0.01
		// and 30 × 0.5; 3,600 × 0.2 and 50 × 1.5. Else the dearest tier is the last:
		// 10 × 0.3 + 30 × 0.105 + 3,620 × 2.
		{"quotas", bounded, Account{}, false, 99_86 + 76_50 + 51_00 + 795_00 + 7246_15, true},
		// 7,200 × 0.0033, then as above; the volume tiers and the others are as before.
		{"late in the month", bounded, Account{Usage: []OperationUsage{{Operation: 1, Month: 202701, PayPerUse: 1000,
			Exact: money.TotalOf(0, 79_404_000_000_000)}}}, false, 23_76 + 76_50 + 51_00 + 795_00 + 7246_15, true},
	} {
		l := newLife(DefaultPolicy)
		book := mustParse(tc.book)
		e := l.env.at(lifeStart)
		e.Books, e.Policy.Realtime = func(int64) *pricebook.Book { return book }, tc.realtime
		got, ok, err := tc.account.WorstOvershoot(e, 3600, 60)
		if err != nil || got != tc.want || ok != tc.bounded {
			t.Errorf("%s: %d, bounded %v, %v; want %d, %v", tc.name, got, ok, err, tc.want, tc.bounded)
		}
	}
	if _, _, err := new(Account).WorstOvershoot(overshootEnv(&pricebook.Operation{Name: "r/o", QPS: 1e6,
		Tiers: []pricebook.Tier{{Price: math.MaxInt64}}}), math.MaxInt64/10, 0); err == nil {
		t.Error("what is out of range has a number")
	}
}

// TestSettlementComesFirst: what is used in a package's last hour is told before
// it expires at that hour's end (D13).
func TestSettlementComesFirst(t *testing.T) {
	l := newLife(DefaultPolicy)
	start := rating.HourEnd(lifeStart, lifeZone)
	l.step(step{at: start, command: &TopUp{Amount: "20.00", Reference: "r"}})
	l.step(step{at: start, command: &BuyPackage{Package: "tiny"}})
	end := l.Packages[0].End
	l.step(step{at: end, calls: []uint64{13, 0, 0, 0}})
	l.advance(end)
	events := l.events[len(l.events)-2:]
	if events[0].Kind != NoticePackageUsed || events[1].Kind != EventPackageExpired || events[0].At != end || events[1].At != end {
		t.Errorf("%+v", l.events)
	}
}
