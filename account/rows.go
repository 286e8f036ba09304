package account

import (
	"slices"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// offer is a subscription row on sale to an account: the account's own, or the
// price book's (D25).
type offer struct {
	id                  string
	service             string
	maxImages           int64
	search, add, delete uint32
	price               money.Amount // per calendar month
	trial               bool
}

// offer finds a row by id. The account's own come first.
func (a *Account) offer(e Env, id string) (offer, error) {
	for _, r := range a.Rows {
		if r.ID == id {
			return offer{id: r.ID, service: r.Service, maxImages: r.MaxImages, search: r.Search, add: r.Add, delete: r.Delete, price: r.Price}, nil
		}
	}
	r, ok := e.book().Row(id)
	if !ok {
		return offer{}, refuse(NotFound, "row", "neither the price book in force nor the account has a subscription row %q", id)
	}
	return offer{id: r.ID, service: r.Service, maxImages: r.MaxImages, search: uint32(r.QPS.Search), add: uint32(r.QPS.Add), delete: uint32(r.QPS.Delete),
		price: r.Price, trial: r.Trial}, nil
}

// AddRow puts a row on sale for one account, beyond the table or at another
// price: the answer to a custom quote (D25). A row of the same id is replaced;
// terms that were bought stay as they are.
type AddRow struct {
	Row       string `json:"row"`
	Service   string `json:"service"`
	MaxImages int64  `json:"max_images"`
	Search    uint32 `json:"search_qps"`
	Add       uint32 `json:"add_qps"`
	Delete    uint32 `json:"delete_qps"`
	Price     string `json:"price"` // per calendar month
}

func (*AddRow) Type() string { return "add-row" }

// RowAnswer says what is on sale now.
type RowAnswer struct {
	Account string `json:"account"`
	Row     string `json:"row"`
	Price   string `json:"price"`
}

// Limits that no row passes.
const (
	imagesMax = 1_000_000_000_000
	qpsMax    = 1_000_000
)

// Apply adds the row.
func (c *AddRow) Apply(a *Account, e Env) (Effects, error) {
	if err := checkName("row", c.Row); err != nil {
		return Effects{}, err
	}
	price, err := e.Currency.Parse(c.Price)
	switch {
	case err != nil:
		return Effects{}, refuse(Invalid, "price", "%v", err)
	case price <= 0:
		return Effects{}, refuse(Invalid, "price", "must be more than zero, got %s", c.Price)
	case c.MaxImages < 1 || c.MaxImages > imagesMax:
		return Effects{}, refuse(Invalid, "max_images", "must be 1 to %d, got %d", int64(imagesMax), c.MaxImages)
	}
	for _, q := range []struct {
		field string
		qps   uint32
	}{{"search_qps", c.Search}, {"add_qps", c.Add}, {"delete_qps", c.Delete}} {
		if q.qps < 1 || q.qps > qpsMax {
			return Effects{}, refuse(Invalid, q.field, "must be 1 to %d, got %d", qpsMax, q.qps)
		}
	}
	if !slices.ContainsFunc(e.book().Operations, func(o pricebook.Operation) bool { return o.Service() == c.Service && o.Class != "" }) {
		return Effects{}, refuse(NotFound, "service", "the price book in force sells no subscriptions of a service %q", c.Service)
	}
	row := OwnRow{ID: c.Row, Service: c.Service, MaxImages: c.MaxImages, Search: c.Search, Add: c.Add, Delete: c.Delete, Price: price}
	a.Rows = append(keep(a.Rows, func(r OwnRow) bool { return r.ID != c.Row }), row)
	return Effects{Answer: RowAnswer{a.ID, c.Row, e.Currency.Format(price)}}, nil
}
