package web

import (
	"context"

	"github.com/tallygate/tallygate/account"
)

// What an account is entitled to, beside what it buys: settings of packages, and
// rows of its own.

// AutoRenewal is the customer's setting for a package (D17).
type AutoRenewal struct {
	On bool `json:"on"`
}

func (h *handlers) setAutoRenewal(_ context.Context, in *struct {
	OnPackage
	MustRepeat
	Body AutoRenewal
}) (*answered[account.AutoRenewalAnswer], error) {
	return do[account.AutoRenewalAnswer](h, in.Key, in.Account, &account.SetAutoRenewal{Package: in.Package, On: in.Body.On})
}

// NewRow puts a row on sale for one account: the answer to a quote beyond the
// table (D25). One of the same id is replaced; bought terms stay as they are.
type NewRow struct {
	Row       string `json:"row" example:"acme-50m-100" doc:"Its id"`
	Service   string `json:"service,omitempty" default:"search" doc:"That the price book sells subscriptions of"`
	MaxImages int64  `json:"max_images" minimum:"1" example:"50000000"`
	QPS       NewQPS `json:"qps"`
	Price     string `json:"price" example:"9000.00" doc:"Per calendar month"`
}

// NewQPS are the calls allowed in any second, by class (D27).
type NewQPS struct {
	Search uint32 `json:"search" minimum:"1" maximum:"1000000" example:"100"`
	Add    uint32 `json:"add,omitempty" maximum:"1000000" doc:"Default: as search"`
	Delete uint32 `json:"delete,omitempty" default:"20" maximum:"1000000"`
}

func (h *handlers) addRow(_ context.Context, in *struct {
	OnAccount
	MustRepeat
	Body NewRow
}) (*answered[account.RowAnswer], error) {
	b := in.Body
	add := b.QPS.Add
	if add == 0 {
		add = b.QPS.Search
	}
	return do[account.RowAnswer](h, in.Key, in.Account, &account.AddRow{Row: b.Row, Service: b.Service, MaxImages: b.MaxImages,
		Search: b.QPS.Search, Add: add, Delete: b.QPS.Delete, Price: b.Price})
}
