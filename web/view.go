package web

import (
	"time"

	"github.com/tallygate/tallygate/account"
)

// AccountSummary is an account in a list.
type AccountSummary struct {
	Account     string        `json:"account"`
	Customer    string        `json:"customer"`
	Created     time.Time     `json:"created"`
	Currency    string        `json:"currency"`
	Balance     string        `json:"balance"`
	CreditLimit string        `json:"credit_limit"`
	PayPerUse   bool          `json:"pay_per_use"`
	State       account.State `json:"state" enum:"active,grace,retention,released"`
	Arrears     time.Time     `json:"arrears_since,omitzero"`
	ReleaseDue  time.Time     `json:"release_due,omitzero" doc:"When the account is released if nothing is paid (D23)"`
}

// Account is an account with all it has. What is left of packages is as of now,
// the balance as of the newest settlement.
type Account struct {
	AccountSummary
	Packages      []Package      `json:"packages"`
	Subscriptions []Subscription `json:"subscriptions"`
	Keys          []Key          `json:"keys"`
}

// Package is a bought package (D14).
type Package struct {
	Package   uint32    `json:"package"`
	Offer     string    `json:"offer"`
	Operation string    `json:"operation"`
	Calls     uint64    `json:"calls"`
	Used      uint64    `json:"used" doc:"By settled calls"`
	Open      uint64    `json:"open" doc:"Used by calls that are not settled yet"`
	Left      uint64    `json:"left"`
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
	Price     string    `json:"price"`
}

// Subscription is a bought term of an instance (D26).
type Subscription struct {
	Subscription uint32    `json:"subscription"`
	Instance     string    `json:"instance"`
	Row          string    `json:"row"`
	MaxImages    int64     `json:"max_images"`
	QPS          QPS       `json:"qps"`
	Start        time.Time `json:"start"`
	End          time.Time `json:"end"`
	Months       uint32    `json:"months"`
	Price        string    `json:"price" doc:"Of the whole term"`
}

// QPS are the calls allowed in any second, by class (D27).
type QPS struct {
	Search int `json:"search"`
	Add    int `json:"add"`
	Delete int `json:"delete"`
}

// Key is an API key, without its secret: nobody has that but its user.
type Key struct {
	Key      string          `json:"key"`
	Kind     account.KeyKind `json:"kind" enum:"secret,access-key-id,identity"`
	Instance string          `json:"instance,omitempty"`
	Label    string          `json:"label,omitempty"`
	Created  time.Time       `json:"created"`
}

// at shows an instant of the ledger in the billing zone; never stays zero.
func (h *handlers) at(unix int64) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return time.Unix(unix, 0).In(h.gateway.Engine().Zone)
}

func (h *handlers) summary(a *account.Account) AccountSummary {
	cur := h.gateway.Engine().Currency
	return AccountSummary{Account: a.ID, Customer: a.Customer, Created: h.at(a.Created), Currency: cur.Code,
		Balance: cur.Format(a.Balance), CreditLimit: cur.Format(a.CreditLimit), PayPerUse: !a.NoPayPerUse,
		State: a.StateAt(h.gateway.Now().Unix()), Arrears: h.at(a.Arrears), ReleaseDue: h.at(a.ReleaseAt())}
}

func (h *handlers) view(a *account.Account, open map[account.Line]uint64) Account {
	v := Account{AccountSummary: h.summary(a), Packages: []Package{}, Subscriptions: []Subscription{}, Keys: []Key{}}
	for _, p := range a.Packages {
		v.Packages = append(v.Packages, h.packageView(p, open))
	}
	cur := h.gateway.Engine().Currency
	for _, s := range a.Subscriptions {
		v.Subscriptions = append(v.Subscriptions, Subscription{Subscription: s.Number, Instance: s.Instance, Row: s.Row,
			MaxImages: s.MaxImages, QPS: QPS{int(s.Search), int(s.Add), int(s.Delete)}, Start: h.at(s.Start), End: h.at(s.End),
			Months: s.Months, Price: cur.Format(s.Price)})
	}
	for _, k := range a.Keys {
		v.Keys = append(v.Keys, Key{k.ID, k.Kind, k.Instance, k.Label, h.at(k.Created)})
	}
	return v
}

func (h *handlers) packageView(p account.BoughtPackage, open map[account.Line]uint64) Package {
	e := h.gateway.Engine()
	v := Package{Package: p.Number, Offer: p.Offer, Operation: e.OperationName(p.Operation), Calls: p.Quota, Used: p.Used,
		Start: h.at(p.Start), End: h.at(p.End), Price: e.Currency.Format(p.Price)}
	for line, calls := range open {
		if line.Kind == account.Package && line.Ref == p.Number {
			v.Open += calls
		}
	}
	v.Left = p.Quota - min(p.Quota, p.Used+v.Open)
	return v
}
