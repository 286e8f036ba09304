package account

import (
	"math"
	"slices"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// planRun is a plan that a scratch account lives through.
type planRun struct {
	account *Account
	env     Env // at the start of the first month
	op      *pricebook.Operation
	pack    *pricebook.Package // nil = pay-per-use alone
	buy     Buying
	calls   []uint64 // of each month

	months []MonthlyCost
	bought []int // in each month
	unused uint64
}

// livePlans lives through all plans that take so few purchases, and that differ.
func livePlans(e Env, op *pricebook.Operation, calls []uint64) (plans []*planRun, err error) {
	for _, r := range allPlans(e, op, calls) {
		within, err := r.live()
		if err != nil {
			return nil, refuse(Invalid, "months", "%v", err)
		}
		if within && !slices.ContainsFunc(plans, r.same) {
			plans = append(plans, r)
		}
	}
	return plans, nil
}

func allPlans(e Env, op *pricebook.Operation, calls []uint64) (plans []*planRun) {
	plans = append(plans, newPlanRun(e, op, nil, "", calls))
	book := e.book()
	for i := range book.Packages {
		if pack := &book.Packages[i]; pack.Operation == op.Name {
			for _, buy := range []Buying{BuyOnce, BuyUsed, BuyCover} {
				plans = append(plans, newPlanRun(e, op, pack, buy, calls))
			}
		}
	}
	return plans
}

func newPlanRun(e Env, op *pricebook.Operation, pack *pricebook.Package, buy Buying, calls []uint64) *planRun {
	book := e.book()
	start, _ := rating.MonthBounds(rating.MonthOf(e.unix(), e.Zone), e.Zone)
	e.Books = func(int64) *pricebook.Book { return book }
	e.OperationNumber = func(string) (uint16, bool) { return 1, true } // of its only operation
	a := &Account{Number: 1, ID: "quotation", Customer: "quotation", Created: start, Seen: start, CreditLimit: math.MaxInt64, LowBalance: math.MinInt64}
	return &planRun{account: a, env: e.at(start), op: op, pack: pack, buy: buy, calls: calls}
}

// live goes through the months. It stops where a plan takes too many purchases.
func (r *planRun) live() (within bool, err error) {
	month := rating.MonthOf(r.env.unix(), r.env.Zone)
	purchases := 0
	for i := range r.calls {
		start, end := rating.MonthBounds(month, r.env.Zone)
		wanted := r.wanted(i, start, end)
		if purchases += wanted; purchases > quotePurchasesMax {
			return false, nil
		}
		if err := r.liveMonth(month, r.calls[i], wanted); err != nil {
			return false, err
		}
		month = month.Next()
	}
	return true, nil
}

// wanted is how many packages the plan buys at the start of a month.
func (r *planRun) wanted(i int, start, end int64) int {
	switch {
	case r.pack == nil, r.buy == BuyOnce && i > 0:
		return 0
	case r.buy == BuyOnce:
		return 1
	}
	left, need := uint64(0), uint64(0)
	for _, p := range r.account.Packages {
		if p.pays(start, end) {
			left += p.Quota - p.Used
		}
	}
	if left >= r.beyondFree(i) {
		return 0
	}
	for j := i; j < min(i+r.pack.Months, len(r.calls)); j++ {
		need += r.beyondFree(j)
	}
	quota := uint64(r.pack.Quota)
	if r.buy == BuyCover {
		need += quota - 1
	}
	return int(min((need-left)/quota, quotePurchasesMax+1))
}

// beyondFree are the calls of a month that the free allowance does not cover.
func (r *planRun) beyondFree(i int) uint64 {
	return r.calls[i] - min(r.calls[i], uint64(r.op.FreePerMonth))
}

// liveMonth buys, and settles the month's calls as one period.
func (r *planRun) liveMonth(month rating.Month, calls uint64, purchases int) error {
	start, end := rating.MonthBounds(month, r.env.Zone)
	before := r.account.Balance
	for range purchases {
		if _, err := Do(r.account, &BuyPackage{Package: r.pack.ID}, r.env.at(start)); err != nil {
			return err
		}
		r.unused += uint64(r.pack.Quota)
	}
	between := r.account.Balance
	m := MonthlyCost{Month: month, Calls: calls}
	period := Period{Start: start, End: end, Month: uint32(month)}
	rates := func(uint16) (*pricebook.Operation, bool) { return r.op, true }
	if _, _, err := r.account.Settle(period, r.fund(&m, period), rates, r.env.at(end)); err != nil {
		return err
	}
	if err := m.explain(r.op); err != nil {
		return err
	}
	cur := r.env.Currency // nothing wraps below: the balance took it, from zero down
	m.Purchases, m.Usage, m.Total = cur.Format(before-between), cur.Format(between-r.account.Balance), cur.Format(before-r.account.Balance)
	r.months, r.bought = append(r.months, m), append(r.bought, purchases)
	return nil
}

// same reports whether two plans buy the same; without purchases all do.
func (r *planRun) same(o *planRun) bool {
	return slices.Equal(r.bought, o.bought) && (r.purchases() == 0 || r.pack == o.pack)
}

func (r *planRun) purchases() (sum int) {
	for _, n := range r.bought {
		sum += n
	}
	return sum
}

func (r *planRun) cost() money.Amount { return -r.account.Balance }

// plan is the run as it is shown.
func (r *planRun) plan(calls uint64) Plan {
	p := Plan{Buy: r.buy, Purchases: r.purchases(), Total: r.env.Currency.Format(r.cost()),
		PerCall: perCall(r.cost(), calls, r.env.Currency), Unused: r.unused, Months: r.months}
	if r.pack != nil {
		p.Package = r.pack.ID
	}
	return p
}
