// Package account is the life of one account: balance, packages, subscriptions,
// arrears. It is pure. Nothing here reads a clock, a file or the network; the
// instant and the price book in force are parameters, so that the same inputs
// give the same account for ever.
//
// An account changes in three ways: by a command, by a settled period, and by
// time alone.
//
//	next := a.Clone()
//	effects, err := account.Do(next, &account.TopUp{Amount: "100.00", Reference: "wire 4711"}, env)
//	// err: nothing happened. Otherwise next is the account after the command.
//
//	charges, effects, err := next.Settle(period, counts, env)
//	effects := next.Advance(until, env) // terms that ended, states passed, renewals
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
	Balance     money.Amount // = Σ movements = Closed + Σ Months
	CreditLimit money.Amount // how far below zero the balance may be (D19)
	LowBalance  money.Amount // a balance below it is worth a notice (D24)
	NoPayPerUse bool         // D11

	Arrears    int64 // the arrears instant (D19), 0 = not in arrears
	ArrearsLaw Law   // in force at the arrears instant (D20)
	Retained   bool  // the transition from grace to retention is recorded
	Released   int64 // when the account was released (D23), 0 = it is not
	ReleaseAck bool  // the operator's systems have deleted the customer's data

	// Seen is the instant up to which everything due by time alone has
	// happened, but for the states of arrears, which remember themselves.
	Seen int64

	LastMovement    int64 // instant of the newest movement
	Movements       uint32
	Events          uint32 // numbers given so far
	Statements      uint32 // numbers given so far
	PackagesBought  uint32 // numbers given so far
	SubscriptionsIn uint32 // numbers given so far
	InstancesIn     uint32 // numbers given so far

	Closed money.Amount // closing balance of the newest closed month (D37)
	Months []OpenMonth  // with movements or usage, not closed yet, ascending

	Usage         []OperationUsage
	Packages      []BoughtPackage // in the order in which they pay (D14)
	Subscriptions []BoughtSubscription
	Instances     []Instance
	Rows          []OwnRow
	Keys          []Key
}

// OpenMonth is what a month that is not closed yet moved the balance by.
type OpenMonth struct {
	Month uint32 // YYYYMM in the billing zone
	Sum   money.Amount
}

// OperationUsage is the settled use of one pay-per-use operation in its latest
// month (D9, D10, D12).
type OperationUsage struct {
	Operation  uint16
	Month      uint32 // YYYYMM
	Free       uint64
	PayPerUse  uint64
	Successful uint64       // whatever paid
	Exact      money.Total  // what the pay-per-use calls cost, not rounded
	Debited    money.Amount // Exact rounded, what the month's debits sum to
}

// BoughtPackage is one term of a package (D14). A renewal appends a term of its
// own, with a quota of its own, to the chain that the first purchase began.
type BoughtPackage struct {
	Number     uint32
	Chain      uint32 // number of the chain's first term
	Offer      string // id in the price book it was bought from
	Operation  uint16
	Quota      uint64
	Used       uint64 // by settled calls
	Bought     int64  // nothing before it is funded by the term (D17)
	Start, End int64
	Anchor     int64  // start of the chain's first term (D15)
	Months     uint32 // of the whole chain up to End
	TermMonths uint32 // of this term
	Price      money.Amount
	AutoRenew  bool  // the customer's setting, on the chain's last term
	Renewable  int64 // until when a term that has ended can be renewed (D17)
}

// BoughtSubscription is one term of an instance (D26), or what a change left or
// made of one (D30).
type BoughtSubscription struct {
	Number              uint32
	Instance            string
	Service             string // whose calls it pays for
	Row                 string
	Start, End          int64
	TermStart           int64 // of the whole term, where a change cut it (D30)
	MaxImages           int64
	Search, Add, Delete uint32 // calls in any second (D27)
	Months              uint32
	Price               money.Amount // basis: what the whole term costs (D30)
	Favour              int64        // of the roundings of its changes, see prorate
	Trial               bool         // D29
	Void                bool         // a change ended it
}

// Instance is a search index of an account, for as long as its data may exist.
type Instance struct {
	Name      string
	ID        uint32 // within the account; a name that is bought anew after its release gets a new one
	Anchor    int64  // start of its first term (D15)
	Months    uint32 // of all terms since the anchor
	Bought    int64  // newest purchase; renewals and changes are none (D25)
	Purchases uint32 // in the calendar month of Bought
	Released  int64  // D32, 0 = it is not
	Ack       bool   // the operator's systems have deleted its data
	Images    int64  // held (D28)
	Uncertain int64  // of unknown outcome; they occupy capacity until reconciled (D28)
}

// OwnRow is a subscription row for one account (D25).
type OwnRow struct {
	ID                  string
	Service             string
	MaxImages           int64
	Search, Add, Delete uint32
	Price               money.Amount // per calendar month
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

// InstanceNamed finds the newest instance of a name, nil if there is none.
func (a *Account) InstanceNamed(name string) *Instance {
	for i := range a.Instances {
		if a.Instances[i].Name == name {
			return &a.Instances[i]
		}
	}
	return nil
}

// Spendable reports whether the balance and the credit limit cover a price.
func (a *Account) Spendable(price money.Amount) bool {
	after, err := a.Balance.Sub(price)
	return err == nil && after >= -a.CreditLimit
}
