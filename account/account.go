// Package account is the life of one account: balance, packages, subscriptions,
// arrears. It is pure. Nothing here reads a clock, a file or the network; the
// instant and the price book in force are parameters, so that the same inputs
// give the same account for ever.
//
//	next := a.Clone()
//	effects, err := (&account.TopUp{Amount: "100.00", Reference: "wire 4711"}).Apply(next, env)
//	// err: nothing happened. Otherwise next is the account after the command.
package account

import (
	"slices"

	"github.com/tallygate/tallygate/rating/money"
)

// Account is everything the ledger keeps of an account. Instants are Unix
// seconds unless named otherwise; a zero instant means never.
type Account struct {
	Number      uint32 // in its ledger, from 1
	ID          string
	Customer    string
	Created     int64
	Balance     money.Amount // = Σ movements
	CreditLimit money.Amount // how far below zero the balance may be (D19)
	NoPayPerUse bool         // D11
	Arrears     int64        // the arrears instant (D19), 0 = not in arrears
	ArrearsLaw  Policy       // the policy in force at the arrears instant (D20)

	LastMovement    int64 // instant of the newest movement
	Movements       uint32
	PackagesBought  uint32 // numbers given so far
	SubscriptionsIn uint32 // numbers given so far

	Usage         []OperationUsage
	Packages      []BoughtPackage
	Subscriptions []BoughtSubscription
	Keys          []Key
}

// OperationUsage is the settled use of one pay-per-use operation in its latest
// month (D9, D10, D12).
type OperationUsage struct {
	Operation uint16
	Month     uint32 // YYYYMM
	Free      uint64
	PayPerUse uint64
	Debited   money.Amount // R(PayPerUse), what the month's debits sum to
}

// BoughtPackage is a package in force, or lapsed (D14).
type BoughtPackage struct {
	Number     uint32
	Offer      string // id in the price book it was bought from
	Operation  uint16
	Quota      uint64
	Used       uint64 // by settled calls
	Start, End int64
	Price      money.Amount
}

// BoughtSubscription is one term of an instance (D26).
type BoughtSubscription struct {
	Number              uint32
	Instance            string
	Row                 string
	Start, End          int64
	MaxImages           int64
	Search, Add, Delete uint32 // calls in any second (D27)
	Months              uint32
	Price               money.Amount // paid for the whole term
}

// Key is an API key of the account, known by its hash only.
type Key struct {
	ID       string // public, for revoking
	Kind     KeyKind
	Hash     [32]byte // SHA-256 of what the client sends
	Instance string   // the search index it is bound to (D38), "" = any
	Label    string
	Created  int64
}

// KeyKind says where a key is read from in a request.
type KeyKind string

const (
	SecretKey   KeyKind = "secret"        // header, bearer or query
	AccessKeyID KeyKind = "access-key-id" // id of a signed request
	Identity    KeyKind = "identity"      // a placeholder that an earlier handler set
)

// Clone returns a copy that shares nothing with a.
func (a *Account) Clone() *Account {
	c := *a
	c.Usage = slices.Clone(a.Usage)
	c.Packages = slices.Clone(a.Packages)
	c.Subscriptions = slices.Clone(a.Subscriptions)
	c.Keys = slices.Clone(a.Keys)
	return &c
}

// usage returns the use of an operation in a month, begun anew when the month
// is newer than the one on record.
func (a *Account) usage(operation uint16, month uint32) *OperationUsage {
	i := slices.IndexFunc(a.Usage, func(u OperationUsage) bool { return u.Operation == operation })
	if i < 0 {
		a.Usage = append(a.Usage, OperationUsage{Operation: operation, Month: month})
		i = len(a.Usage) - 1
	}
	u := &a.Usage[i]
	if u.Month < month {
		*u = OperationUsage{Operation: operation, Month: month}
	}
	return u
}

// Spendable reports whether the balance and the credit limit cover a price.
func (a *Account) Spendable(price money.Amount) bool {
	after, err := a.Balance.Sub(price)
	return err == nil && after >= -a.CreditLimit
}
