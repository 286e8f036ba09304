package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallygate/tallygate/account"
)

func (h *handlers) registerAccounts() {
	register(h, post("create-account", "/accounts", "Open an account"), h.createAccount)
	register(h, get("list-accounts", "/accounts", "List accounts in the order of their creation"), h.listAccounts)
	register(h, get("get-account", "/accounts/{account}", "Show an account"), h.getAccount)
	register(h, huma.Operation{OperationID: "change-account", Method: http.MethodPatch, Path: Root + "/accounts/{account}",
		Summary: "Change an account's settings"}, h.changeAccount)
}

// NewAccount opens an account.
type NewAccount struct {
	Account     string `json:"account" example:"acme" doc:"Its id, for ever: 1 to 64 letters, digits or . _ @ -"`
	Customer    string `json:"customer,omitempty" doc:"Who pays, where that is another id"`
	CreditLimit string `json:"credit_limit,omitempty" example:"50.00" doc:"How far below zero the balance may be, default 0"`
	LowBalance  string `json:"low_balance,omitempty" example:"20.00" doc:"A balance below it raises a notice, default 0 (D24)"`
	PayPerUse   *bool  `json:"pay_per_use,omitempty" doc:"Whether calls that nothing else pays for are charged one by one, default true (D11)"`
}

func (h *handlers) createAccount(_ context.Context, in *struct {
	MayRepeat
	Body NewAccount
}) (*answered[account.AccountAnswer], error) {
	b := in.Body
	return do[account.AccountAnswer](h, in.Key, b.Account, &account.CreateAccount{Account: b.Account, Customer: b.Customer,
		CreditLimit: b.CreditLimit, LowBalance: b.LowBalance, NoPayPerUse: b.PayPerUse != nil && !*b.PayPerUse})
}

// AccountChange changes what is given, and leaves the rest.
type AccountChange struct {
	CreditLimit *string `json:"credit_limit,omitempty" example:"50.00"`
	LowBalance  *string `json:"low_balance,omitempty" example:"20.00"`
	PayPerUse   *bool   `json:"pay_per_use,omitempty"`
}

func (h *handlers) changeAccount(_ context.Context, in *struct {
	OnAccount
	MayRepeat
	Body AccountChange
}) (*answered[account.AccountAnswer], error) {
	return do[account.AccountAnswer](h, in.Key, in.Account, &account.ChangeAccount{CreditLimit: in.Body.CreditLimit,
		LowBalance: in.Body.LowBalance, PayPerUse: in.Body.PayPerUse})
}

// AccountList is a page of accounts.
type AccountList struct {
	Accounts []AccountSummary `json:"accounts"`
	Next     string           `json:"next,omitempty" doc:"Where there are more: ask again with after set to this"`
}

type body[T any] struct{ Body T }

func (h *handlers) listAccounts(_ context.Context, in *struct {
	After string `query:"after" doc:"The last account of the page before"`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}) (*body[AccountList], error) {
	var after uint32
	if in.After != "" {
		a, err := h.gateway.Engine().Account(in.After)
		if err != nil {
			return nil, err
		}
		after = a.Number
	}
	list := AccountList{Accounts: []AccountSummary{}}
	err := h.gateway.Engine().EachAccount(func(a *account.Account) bool {
		switch {
		case a.Number <= after:
		case len(list.Accounts) == in.Limit:
			list.Next = list.Accounts[in.Limit-1].Account
			return false
		default:
			list.Accounts = append(list.Accounts, h.summary(a))
		}
		return true
	})
	return &body[AccountList]{list}, err
}

func (h *handlers) getAccount(_ context.Context, in *struct{ OnAccount }) (*body[Account], error) {
	a, open, err := h.snapshot(in.Account, 0)
	if err != nil {
		return nil, err
	}
	return &body[Account]{h.view(a, open)}, nil
}

// snapshot is an account and what is not settled of it since an instant (Unix
// seconds), from one moment: again, if a period was settled in between.
func (h *handlers) snapshot(id string, from int64) (*account.Account, map[account.Line]uint64, error) {
	e := h.gateway.Engine()
	for {
		settled := e.Meta().Settled
		a, err := e.Account(id)
		if err != nil {
			return nil, nil, err
		}
		open := h.gateway.OpenCounts(a.Number, from)
		if e.Meta().Settled == settled {
			return a, open, nil
		}
	}
}
