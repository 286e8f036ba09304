package web

import (
	"context"

	"github.com/tallygate/tallygate/account"
)

func (h *handlers) registerPurchases() {
	register(h, post("top-up", "/accounts/{account}/topups", "Add money that was paid"), h.topUp)
	register(h, post("buy-package", "/accounts/{account}/packages", "Buy prepaid calls"), h.buyPackage)
	register(h, post("subscribe", "/accounts/{account}/subscriptions", "Buy a term of a search instance"), h.subscribe)
}

// NewTopUp adds money that was paid elsewhere.
type NewTopUp struct {
	Amount    string `json:"amount" example:"100.00" doc:"Above zero, no finer than the currency"`
	Reference string `json:"reference" example:"wire 4711" doc:"Of the payment, outside"`
}

func (h *handlers) topUp(_ context.Context, in *struct {
	OnAccount
	MustRepeat
	Body NewTopUp
}) (*answered[account.BalanceAnswer], error) {
	return do[account.BalanceAnswer](h, in.Key, in.Account, &account.TopUp{Amount: in.Body.Amount, Reference: in.Body.Reference})
}

// NewPackage buys a package of the price book in force.
type NewPackage struct {
	Package string `json:"package" example:"image-tagging-10k-1y" doc:"Its id in the price book"`
}

func (h *handlers) buyPackage(_ context.Context, in *struct {
	OnAccount
	MustRepeat
	Body NewPackage
}) (*answered[account.PackageAnswer], error) {
	return do[account.PackageAnswer](h, in.Key, in.Account, &account.BuyPackage{Package: in.Body.Package})
}

// NewSubscription buys a term of an instance.
type NewSubscription struct {
	Instance string `json:"instance" example:"products" doc:"The search index"`
	Row      string `json:"row" example:"s2500k-5" doc:"Of the price book"`
	Months   int    `json:"months,omitempty" default:"1" minimum:"1" maximum:"36"`
}

func (h *handlers) subscribe(_ context.Context, in *struct {
	OnAccount
	MustRepeat
	Body NewSubscription
}) (*answered[account.SubscriptionAnswer], error) {
	return do[account.SubscriptionAnswer](h, in.Key, in.Account, &account.Subscribe{Instance: in.Body.Instance,
		Row: in.Body.Row, Months: in.Body.Months})
}
