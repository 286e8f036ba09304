package web

import (
	"context"
	"net/http"
	"time"

	"github.com/tallygate/tallygate/rating/pricebook"
)

// PriceBook is a price book in force.
type PriceBook struct {
	Hash       string           `json:"hash"`
	Currency   string           `json:"currency"`
	Since      time.Time        `json:"since,omitzero" doc:"Absent where it holds from the beginning"`
	Operations []PricedCall     `json:"operations"`
	Packages   []PackageOffer   `json:"packages"`
	Rows       []Row            `json:"subscriptions"`
	Upcoming   []UpcomingPrices `json:"upcoming,omitempty"`
}

// PricedCall is what one operation costs.
type PricedCall struct {
	Operation    string `json:"operation"`
	Funding      string `json:"funding" enum:"pay-per-use,subscribed"`
	FreePerMonth int64  `json:"free_per_month,omitempty"`
	Model        string `json:"model,omitempty" enum:"graduated,volume"`
	Tiers        []Tier `json:"tiers,omitempty"`
	QPS          int    `json:"qps,omitempty"`
	Class        string `json:"class,omitempty" doc:"Of a subscribed operation"`
}

// Tier is a band of a month's calls.
type Tier struct {
	UpTo  int64  `json:"up_to,omitempty" doc:"Absent in the last tier"`
	Price string `json:"price"`
}

// PackageOffer is a package on sale.
type PackageOffer struct {
	Package   string `json:"package"`
	Operation string `json:"operation"`
	Calls     int64  `json:"calls"`
	Months    int    `json:"months"`
	Price     string `json:"price"`
}

// Row is a subscription on sale.
type Row struct {
	Row       string `json:"row"`
	Service   string `json:"service"`
	MaxImages int64  `json:"max_images"`
	QPS       QPS    `json:"qps"`
	Price     string `json:"price" doc:"Per calendar month"`
	Trial     bool   `json:"trial,omitempty"`
}

// UpcomingPrices is a price book that is known and not in force yet.
type UpcomingPrices struct {
	Hash string    `json:"hash"`
	From time.Time `json:"from"`
}

func (h *handlers) priceBook(context.Context, *struct{}) (*body[PriceBook], error) {
	now := h.gateway.Now().Unix()
	var current *pricebook.Book
	var since int64
	var upcoming []UpcomingPrices
	h.gateway.Engine().EachBook(func(from int64, b *pricebook.Book) {
		if from <= now {
			current, since = b, from
			return
		}
		upcoming = append(upcoming, UpcomingPrices{b.Hash, h.at(from)})
	})
	if current == nil {
		return nil, errNoBook()
	}
	v := PriceBookOf(current)
	v.Since, v.Upcoming = h.at(since), upcoming
	return &body[PriceBook]{v}, nil
}

func errNoBook() error {
	return newProblem(http.StatusNotFound, "no price book is in force: name one in the configuration")
}

// PriceBookOf shows a book.
func PriceBookOf(b *pricebook.Book) PriceBook {
	v := PriceBook{Hash: b.Hash, Currency: b.Currency.Code, Operations: []PricedCall{}, Packages: []PackageOffer{}, Rows: []Row{}}
	for _, op := range b.Operations {
		call := PricedCall{Operation: op.Name, Funding: op.Funding.String(), FreePerMonth: op.FreePerMonth, QPS: op.QPS, Class: op.Class}
		for _, t := range op.Tiers {
			call.Model = op.Model.String()
			call.Tiers = append(call.Tiers, Tier{t.UpTo, b.Currency.FormatPrice(t.Price)})
		}
		v.Operations = append(v.Operations, call)
	}
	for _, p := range b.Packages {
		v.Packages = append(v.Packages, PackageOffer{p.ID, p.Operation, p.Quota, p.Months, b.Currency.Format(p.Price)})
	}
	for _, r := range b.Rows {
		v.Rows = append(v.Rows, Row{r.ID, r.Service, r.MaxImages, QPS(r.QPS), b.Currency.Format(r.Price), r.Trial})
	}
	return v
}
