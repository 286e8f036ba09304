package account

import (
	"cmp"
	"math"
	"slices"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// SubscriptionQuotation says which subscriptions hold a need, the cheapest
// first. None do where the need goes beyond the table: then ContactSales is the
// answer, and an operator may add a row for the account (D25).
type SubscriptionQuotation struct {
	Service      string      `json:"service"`
	Images       int64       `json:"images"`
	QPS          int         `json:"qps"`
	Months       int         `json:"months"`
	Currency     string      `json:"currency"`
	PriceBook    string      `json:"price_book"` // its hash
	ContactSales bool        `json:"contact_sales"`
	Rows         []QuotedRow `json:"rows"`
}

// QuotedRow is a row and what a term of it costs.
type QuotedRow struct {
	Row       string `json:"row"`
	MaxImages int64  `json:"max_images"`
	Search    uint32 `json:"search_qps"`
	Add       uint32 `json:"add_qps"`
	Delete    uint32 `json:"delete_qps"`
	Price     string `json:"price_per_month"`
	Total     string `json:"total"`           // of the term
	Own       bool   `json:"own,omitempty"`   // on sale to this account alone
	Trial     bool   `json:"trial,omitempty"` // a customer's first month may be free instead (D29)

	total money.Amount
}

// QuoteSubscription finds the rows that hold so many images at so many searches
// and adds a second, and what so many months of each cost: the purchase itself
// says, on a scratch account (D34). The rows of an account count in, a may be nil.
func QuoteSubscription(e Env, a *Account, service string, images int64, qps, months int) (SubscriptionQuotation, error) {
	sold := func(o pricebook.Operation) bool { return o.Service() == service && o.Class != "" }
	switch {
	case !slices.ContainsFunc(e.book().Operations, sold):
		return SubscriptionQuotation{}, refuse(NotFound, "service", "the price book in force sells no subscriptions of a service %q", service)
	case images < 0:
		return SubscriptionQuotation{}, refuse(Invalid, "images", "must not be negative, got %d", images)
	case qps < 0:
		return SubscriptionQuotation{}, refuse(Invalid, "qps", "must not be negative, got %d", qps)
	}
	if _, err := priceOf(offer{}, months); err != nil {
		return SubscriptionQuotation{}, err
	}
	q := SubscriptionQuotation{Service: service, Images: images, QPS: qps, Months: months, Currency: e.Currency.Code,
		PriceBook: e.book().Hash, Rows: []QuotedRow{}}
	for _, id := range rowsThatFit(e, a, service, images, qps) {
		row, err := quoteRow(e, a, id, months)
		if err != nil {
			return SubscriptionQuotation{}, err
		}
		q.Rows = append(q.Rows, row)
	}
	slices.SortStableFunc(q.Rows, func(x, y QuotedRow) int {
		return cmp.Or(cmp.Compare(x.total, y.total), cmp.Compare(y.MaxImages, x.MaxImages), cmp.Compare(y.Search, x.Search))
	})
	q.ContactSales = len(q.Rows) == 0
	return q, nil
}

// rowsThatFit are the account's own rows and those of the price book that they
// do not replace.
func rowsThatFit(e Env, a *Account, service string, images int64, qps int) (ids []string) {
	own := map[string]bool{}
	if a != nil {
		for _, r := range a.Rows {
			own[r.ID] = true
			if r.Service == service && r.MaxImages >= images && int64(min(r.Search, r.Add)) >= int64(qps) {
				ids = append(ids, r.ID)
			}
		}
	}
	for _, r := range e.book().Fit(service, images, qps) {
		if !own[r.ID] {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// quoteRow buys a term.
func quoteRow(e Env, a *Account, id string, months int) (QuotedRow, error) {
	scratch := &Account{Number: 1, ID: "quotation", Customer: "quotation", Created: e.unix(), Seen: e.unix(), CreditLimit: math.MaxInt64}
	if a != nil {
		scratch.Rows = slices.Clone(a.Rows)
	}
	row, err := scratch.offer(e, id)
	if err != nil {
		return QuotedRow{}, err
	}
	if _, err := Do(scratch, &Subscribe{Instance: "quotation", Row: id, Months: months}, e); err != nil {
		return QuotedRow{}, err
	}
	own := slices.ContainsFunc(scratch.Rows, func(r OwnRow) bool { return r.ID == id })
	total := -scratch.Balance
	return QuotedRow{Row: row.id, MaxImages: row.maxImages, Search: row.search, Add: row.add, Delete: row.delete,
		Price: e.Currency.Format(row.price), Total: e.Currency.Format(total), Own: own, Trial: row.trial, total: total}, nil
}
