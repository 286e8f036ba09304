package web

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallygate/tallygate/account"
)

// Everything that costs or brings money comes twice: as a command, and as a
// preview of it (D34).
func (h *handlers) registerPurchases() {
	onAccount[account.BalanceAnswer, NewTopUp](h, post("top-up", "/accounts/{account}/topups", "Add money that was paid"))
	h.registerAdjustments()
	onAccount[account.PackageAnswer, NewPackage](h, post("buy-package", "/accounts/{account}/packages", "Buy prepaid calls"))
	onPackage[account.PackageAnswer, PackageRenewal](h, post("renew-package", "/accounts/{account}/packages/{package}/renewals",
		"Append a term to a package"))
	onAccount[account.SubscriptionAnswer, NewSubscription](h, post("subscribe", "/accounts/{account}/subscriptions",
		"Buy a term of a search instance, or begin its trial"))
	onInstance[account.SubscriptionAnswer, SubscriptionRenewal](h, post("renew-subscription", "/accounts/{account}/instances/{instance}/renewals",
		"Append a term to an instance's last one"))
	onInstance[account.SubscriptionAnswer, SubscriptionChange](h, post("change-subscription", "/accounts/{account}/instances/{instance}/changes",
		"Put another row in force at once, for the rest of the term"))
	register(h, huma.Operation{OperationID: "set-auto-renewal", Method: http.MethodPut,
		Path: Root + "/accounts/{account}/packages/{package}/auto-renewal", Summary: "Let a package renew itself, or not"}, h.setAutoRenewal)
	register(h, post("add-row", "/accounts/{account}/rows", "Put a subscription row on sale for one account"), h.addRow)
}

// Agreed is what the caller agrees to pay at most.
type Agreed struct {
	MaxAmount string `json:"max_amount,omitempty" example:"24.00" doc:"Refuse with amount-changed if more is due; negative: the least credit (D34)"`
}

// NewTopUp adds money that was paid elsewhere.
type NewTopUp struct {
	Amount    string `json:"amount" example:"100.00" doc:"Above zero, no finer than the currency"`
	Reference string `json:"reference" example:"wire 4711" doc:"Of the payment, outside"`
}

func (b NewTopUp) command(target) account.Command {
	return &account.TopUp{Amount: b.Amount, Reference: b.Reference}
}

// NewPackage buys a package of the price book in force.
type NewPackage struct {
	Package   string `json:"package" example:"image-tagging-10k-1y" doc:"Its id in the price book"`
	AutoRenew bool   `json:"auto_renew,omitempty" doc:"Renew it for the same time and the price of then, from 24 hours before it expires (D17)"`
	Agreed
}

func (b NewPackage) command(target) account.Command {
	return &account.BuyPackage{Package: b.Package, AutoRenew: b.AutoRenew, MaxAmount: b.MaxAmount}
}

// PackageRenewal appends a term of the same length at the price of now.
type PackageRenewal struct{ Agreed }

func (b PackageRenewal) command(t target) account.Command {
	return &account.RenewPackage{Package: t.pack, MaxAmount: b.MaxAmount}
}

// NewSubscription buys a term of an instance.
type NewSubscription struct {
	Instance string `json:"instance" example:"products" doc:"The search index"`
	Row      string `json:"row" example:"s2500k-5" doc:"Of the price book, or of the account"`
	Months   int    `json:"months,omitempty" default:"1" minimum:"1" maximum:"36"`
	Trial    bool   `json:"trial,omitempty" doc:"The free month of a row that has one, once for each customer (D29)"`
	Agreed
}

func (b NewSubscription) command(target) account.Command {
	return &account.Subscribe{Instance: b.Instance, Row: b.Row, Months: b.Months, Trial: b.Trial, MaxAmount: b.MaxAmount}
}

// SubscriptionRenewal appends a term, also of another row (D31).
type SubscriptionRenewal struct {
	Row    string `json:"row,omitempty" example:"s2500k-5" doc:"Default: that of the last term"`
	Months int    `json:"months,omitempty" default:"1" minimum:"1" maximum:"36"`
	Agreed
}

func (b SubscriptionRenewal) command(t target) account.Command {
	return &account.RenewSubscription{Instance: t.instance, Row: b.Row, Months: b.Months, MaxAmount: b.MaxAmount}
}

// SubscriptionChange is due to the second (D30).
type SubscriptionChange struct {
	Row string `json:"row" example:"s2500k-5"`
	Agreed
}

func (b SubscriptionChange) command(t target) account.Command {
	return &account.ChangeSubscription{Instance: t.instance, Row: b.Row, MaxAmount: b.MaxAmount}
}
