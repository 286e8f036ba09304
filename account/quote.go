package account

import (
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Profile is what somebody means to use: calls of a pay-per-use operation in
// successive calendar months.
type Profile struct {
	Operation string   `json:"operation"`
	Months    []uint64 `json:"months"`
}

// Quotation says what a profile costs under every plan, the simplest first:
// pay-per-use alone, then each package of the operation. A mix of packages is
// not tried.
type Quotation struct {
	Operation string `json:"operation"`
	Currency  string `json:"currency"`
	PriceBook string `json:"price_book"` // its hash
	Calls     uint64 `json:"calls"`      // of all months
	Plans     []Plan `json:"plans"`
}

// Plan is one way to pay for a profile. Amounts are in the currency.
type Plan struct {
	Package   string        `json:"package,omitempty"` // id of the one that is bought; absent = pay-per-use alone
	Buy       Buying        `json:"buy,omitempty"`
	Purchases int           `json:"purchases"`
	Total     string        `json:"total"`
	PerCall   string        `json:"per_call,omitempty"` // Total ÷ calls, to 12 decimals, half up; absent where it has no such number
	Unused    uint64        `json:"unused"`             // calls that are paid for and lapse, or are left at the end
	Cheapest  bool          `json:"cheapest"`           // the first of those with the least total
	Months    []MonthlyCost `json:"months"`
}

// Buying says when a plan buys its package, always at the start of a month.
type Buying string

const (
	BuyOnce  Buying = "once"  // at the start, and never again
	BuyUsed  Buying = "used"  // as many as are used up in their term, the rest is pay-per-use
	BuyCover Buying = "cover" // as many as it takes to pay for all calls
)

// MonthlyCost is a month of a plan.
type MonthlyCost struct {
	Month     rating.Month `json:"month"`
	Calls     uint64       `json:"calls"`
	Free      uint64       `json:"free"`
	Packaged  uint64       `json:"packaged"`
	PayPerUse uint64       `json:"pay_per_use"`
	Bands     []QuotedBand `json:"bands,omitempty"` // of the pay-per-use calls
	Purchases string       `json:"purchases"`
	Usage     string       `json:"usage"`
	Total     string       `json:"total"`
}

// QuotedBand is a run of pay-per-use calls that have the same price.
type QuotedBand struct {
	From  int64  `json:"from"` // ordinals as the tiers count, inclusive
	To    int64  `json:"to"`
	Calls int64  `json:"calls"`
	Price string `json:"price"`
	Exact string `json:"exact"` // Calls × Price, not rounded
}

const (
	quoteMonthsMax    = 60
	quoteCallsMax     = 1_000_000_000_000 // in a month
	quotePurchasesMax = 120               // plans that take more are left out: a larger package is what is wanted
)

// Quote says what calls would cost a new account at the prices of now, if its
// first month were the present one from its start. It prices nothing itself:
// every plan is lived through by an account that buys and settles (D34).
func Quote(e Env, p Profile) (Quotation, error) {
	op, ok := e.book().Operation(p.Operation)
	if !ok || op.Funding != pricebook.PayPerUse {
		return Quotation{}, refuse(NotFound, "operation", "the price book in force has no pay-per-use operation %q", p.Operation)
	}
	q := Quotation{Operation: op.Name, Currency: e.Currency.Code, PriceBook: e.book().Hash}
	if len(p.Months) < 1 || len(p.Months) > quoteMonthsMax {
		return Quotation{}, refuse(Invalid, "months", "must be the calls of 1 to %d months, got %d", quoteMonthsMax, len(p.Months))
	}
	for _, calls := range p.Months {
		if calls > quoteCallsMax {
			return Quotation{}, refuse(Invalid, "months", "%d calls in a month are beyond the %d a quotation goes to", calls, uint64(quoteCallsMax))
		}
		q.Calls += calls
	}
	plans, err := livePlans(e, op, p.Months)
	if err != nil {
		return Quotation{}, err
	}
	best := 0
	for i, r := range plans {
		q.Plans = append(q.Plans, r.plan(q.Calls))
		if r.cost() < plans[best].cost() {
			best = i
		}
	}
	q.Plans[best].Cheapest = true
	return q, nil
}
