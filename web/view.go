package web

import (
	"fmt"
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
	LowBalance  string        `json:"low_balance" doc:"A balance below it raises a notice (D24)"`
	PayPerUse   bool          `json:"pay_per_use"`
	State       account.State `json:"state" enum:"active,grace,retention,released"`
	Arrears     time.Time     `json:"arrears_since,omitzero"`
	ReleaseDue  time.Time     `json:"release_due,omitzero" doc:"When the account is released if nothing is paid (D23)"`
	Released    time.Time     `json:"released,omitzero" doc:"When it was (D23)"`
	ReleaseAck  bool          `json:"release_acknowledged,omitempty" doc:"The customer's data is deleted"`
}

// Account is an account with all it has. What is left of packages is as of now,
// the balance as of the newest settlement.
type Account struct {
	AccountSummary
	Overshoot     Overshoot      `json:"worst_overshoot"`
	Packages      []Package      `json:"packages"`
	Instances     []Instance     `json:"instances"`
	Subscriptions []Subscription `json:"subscriptions"`
	Rows          []Row          `json:"rows" doc:"On sale to this account only (D25)"`
	Keys          []Key          `json:"keys"`
}

// Overshoot is how far below the credit limit the balance can come before the
// gateway blocks the account (D19).
type Overshoot struct {
	Amount  string `json:"amount,omitempty" doc:"Absent where nothing bounds it"`
	Because string `json:"because,omitempty" doc:"What bounds it, or why nothing does"`
}

// Package is one bought term of a package (D14).
type Package struct {
	Package   uint32    `json:"package"`
	Chain     uint32    `json:"chain" doc:"The term that this one goes back to by renewals"`
	Offer     string    `json:"offer"`
	Operation string    `json:"operation"`
	Calls     uint64    `json:"calls"`
	Used      uint64    `json:"used" doc:"By settled calls"`
	Open      uint64    `json:"open" doc:"Used by calls that are not settled yet"`
	Left      uint64    `json:"left"`
	Bought    time.Time `json:"bought" doc:"Nothing before it is funded by the term (D17)"`
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
	Price     string    `json:"price"`
	AutoRenew bool      `json:"auto_renew"`
	Renewable time.Time `json:"renewable_until,omitzero" doc:"Of a term that has ended: until when it can be renewed (D17)"`
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
	TermStart    time.Time `json:"term_start" doc:"Of the whole term, where a change began inside it (D30)"`
	Months       uint32    `json:"months"`
	Price        string    `json:"price" doc:"Of the whole term"`
	Trial        bool      `json:"trial,omitempty" doc:"It was free (D29)"`
	Void         bool      `json:"void,omitempty" doc:"A change ended it before its time (D30)"`
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
	e, now := h.gateway.Engine(), h.gateway.Now().Unix()
	v := AccountSummary{Account: a.ID, Customer: a.Customer, Created: h.at(a.Created), Currency: e.Currency.Code,
		Balance: e.Currency.Format(a.Balance), CreditLimit: e.Currency.Format(a.CreditLimit), LowBalance: e.Currency.Format(a.LowBalance),
		PayPerUse: !a.NoPayPerUse, State: a.StateAt(now), Arrears: h.at(a.Arrears), Released: h.at(a.Released), ReleaseAck: a.ReleaseAck}
	if a.Released == 0 {
		v.ReleaseDue = h.at(a.ReleaseDue(e.Env().Floor))
	}
	return v
}

func (h *handlers) view(a *account.Account, open map[account.Line]uint64) Account {
	v := Account{AccountSummary: h.summary(a), Overshoot: h.overshoot(a), Packages: []Package{}, Instances: []Instance{}, Subscriptions: []Subscription{},
		Rows: []Row{}, Keys: []Key{}}
	for _, p := range a.Packages {
		v.Packages = append(v.Packages, h.packageView(p, open))
	}
	for _, i := range a.Instances {
		v.Instances = append(v.Instances, h.instanceView(a, i))
	}
	cur := h.gateway.Engine().Currency
	for _, s := range a.Subscriptions {
		v.Subscriptions = append(v.Subscriptions, Subscription{Subscription: s.Number, Instance: s.Instance, Row: s.Row,
			MaxImages: s.MaxImages, QPS: QPS{int(s.Search), int(s.Add), int(s.Delete)}, Start: h.at(s.Start), End: h.at(s.End),
			TermStart: h.at(s.TermStart), Months: s.Months, Price: cur.Format(s.Price), Trial: s.Trial, Void: s.Void})
	}
	for _, r := range a.Rows {
		v.Rows = append(v.Rows, Row{Row: r.ID, Service: r.Service, MaxImages: r.MaxImages, QPS: QPS{int(r.Search), int(r.Add), int(r.Delete)},
			Price: cur.Format(r.Price)})
	}
	for _, k := range a.Keys {
		v.Keys = append(v.Keys, Key{k.ID, k.Kind, k.Instance, k.Label, h.at(k.Created)})
	}
	return v
}

// overshoot is what the account can run up in a period and the wait for it.
func (h *handlers) overshoot(a *account.Account) Overshoot {
	e := h.gateway.Engine()
	period, wait := h.gateway.Pace()
	if a.Released != 0 {
		return Overshoot{e.Currency.Format(0), "it is released, all its calls are refused"}
	}
	if e.BookAt(h.gateway.Now().Unix()) == nil {
		return Overshoot{Because: "no price book is in force"}
	}
	worst, bounded, err := a.WorstOvershoot(e.Env(), int64(period/time.Second), int64((wait+time.Second-1)/time.Second))
	switch {
	case err != nil:
		return Overshoot{Because: err.Error()}
	case !bounded:
		return Overshoot{Because: "a pay-per-use operation has no qps quota in the price book"}
	case worst == 0:
		return Overshoot{e.Currency.Format(worst), "pay-per-use calls are off, cost nothing, or are held against the balance as they come"}
	}
	return Overshoot{e.Currency.Format(worst), fmt.Sprintf("every pay-per-use operation at its qps quota for %v and %v more until it is settled", period, wait)}
}

func (h *handlers) packageView(p account.BoughtPackage, open map[account.Line]uint64) Package {
	e := h.gateway.Engine()
	v := Package{Package: p.Number, Chain: p.Chain, Offer: p.Offer, Operation: e.OperationName(p.Operation), Calls: p.Quota, Used: p.Used,
		Bought: h.at(p.Bought), Start: h.at(p.Start), End: h.at(p.End), Price: e.Currency.Format(p.Price), AutoRenew: p.AutoRenew,
		Renewable: h.at(p.Renewable)}
	for line, calls := range open {
		if line.Kind == account.Package && line.Ref == p.Number {
			v.Open += calls
		}
	}
	v.Left = p.Quota - min(p.Quota, p.Used+v.Open)
	return v
}
