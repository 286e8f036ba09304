// Package pricebook reads the file that says what calls, packages and
// subscriptions cost.
//
//	currency: USD
//
//	pay_per_use:
//	  - operations: [recognition/image-tagging, recognition/main-object-detection]
//	    free_per_month: 1_000
//	    tiers:
//	      - {up_to: 10_000, price: 0.0030}
//	      - {up_to: 100_000, price: 0.0025}
//	      - {price: 0.0018}
//
//	packages:
//	  - {id: tagging-10k, operation: recognition/image-tagging, calls: 10_000, valid: 1y, price: 24.00}
//
//	subscriptions:
//	  - service: search
//	    operations: {search/search: search, search/add: add, search/delete: delete}
//	    delete_qps: 20
//	    rows:
//	      - {id: s100k-1, images: 100_000, qps: 1, price: 300.00, trial: true}
//	      - {id: s2500k-5, images: 2_500_000, qps: 5, price: 800.00}
//
// A pay_per_use entry may also say:
//
//	model: volume               # the tier that the month reaches prices all its calls; default graduated (D8)
//	tier_basis: all_successful  # free and package calls advance the tiers too; default payg (D9)
//	qps: 50                     # quota of each of its operations (D27)
//
// Prices are taken from the characters in the file, never through a float. A
// field that is unknown or written twice is an error, as is everything that
// could not be billed; all findings are reported at once, each with its line
// and column and with what mends it.
package pricebook

import (
	"slices"
	"sort"

	"github.com/tallygate/tallygate/rating/money"
)

// Book is a checked price book. It is never changed after Parse.
type Book struct {
	Hash       string // "sha256:" and the hex of the file's bytes
	Source     []byte // the file's bytes
	Currency   money.Currency
	Operations []Operation // sorted by name
	Packages   []Package   // as in the file
	Rows       []Row       // as in the file
}

// Operation is one priced API call of a service.
type Operation struct {
	Name         string // "service/operation"
	Funding      Funding
	FreePerMonth int64 // D10; 0 = none
	Model        Model
	Basis        Basis
	Tiers        []Tier // of a pay-per-use operation: at least one, ascending, the last without bound
	QPS          int    // quota of a pay-per-use operation (D27); 0 = none
	Class        string // of a subscribed operation: Search, Add or Delete
}

// Service is the part of the name before the slash.
func (o *Operation) Service() string { return serviceOf(o.Name) }

// Funding says what may pay for an operation's calls.
type Funding uint8

const (
	PayPerUse  Funding = iota // free allowance, packages, pay-per-use (D11)
	Subscribed                // a subscription (D26)
)

func (f Funding) String() string { return [...]string{"pay-per-use", "subscribed"}[f] }

// Model says how tiers apply (D8).
type Model uint8

const (
	Graduated Model = iota // each call is priced by the band of its ordinal
	Volume                 // all calls are priced by the band of the month's last one
)

func (m Model) String() string { return [...]string{"graduated", "volume"}[m] }

// Basis says which calls of a month advance the tiers (D9).
type Basis uint8

const (
	PayPerUseCalls Basis = iota // those that are pay-per-use
	AllSuccessful               // whatever paid for them
)

func (b Basis) String() string { return [...]string{"payg", "all_successful"}[b] }

// The classes of subscribed operations (D27).
const (
	Search = "search"
	Add    = "add"
	Delete = "delete"
)

// Tier is a band of ordinals, from the tier before it up to UpTo.
type Tier struct {
	UpTo  int64 // inclusive; 0 = no bound, in the last tier only
	Price money.Price
}

// Package is an offer of prepaid calls (D14).
type Package struct {
	ID        string
	Operation string
	Quota     int64 // calls in the whole term
	Months    int   // validity in calendar months
	Price     money.Amount
}

// Row is an offer of a subscription (D25).
type Row struct {
	ID        string
	Service   string
	MaxImages int64
	QPS       QPS
	Price     money.Amount // per calendar month
	Trial     bool         // its first month may be free (D29)
}

// QPS are the quotas of a subscription by class (D27), each at least 1.
type QPS struct{ Search, Add, Delete int }

// Of returns the quota of a class, 0 for what is no class.
func (q QPS) Of(class string) int {
	switch class {
	case Search:
		return q.Search
	case Add:
		return q.Add
	case Delete:
		return q.Delete
	}
	return 0
}

// Operation finds an operation by name.
func (b *Book) Operation(name string) (*Operation, bool) {
	i := sort.Search(len(b.Operations), func(i int) bool { return b.Operations[i].Name >= name })
	if i == len(b.Operations) || b.Operations[i].Name != name {
		return nil, false
	}
	return &b.Operations[i], true
}

// Package finds a package by id.
func (b *Book) Package(id string) (*Package, bool) {
	i := slices.IndexFunc(b.Packages, func(p Package) bool { return p.ID == id })
	if i < 0 {
		return nil, false
	}
	return &b.Packages[i], true
}

// Row finds a subscription row by id.
func (b *Book) Row(id string) (*Row, bool) {
	i := slices.IndexFunc(b.Rows, func(r Row) bool { return r.ID == id })
	if i < 0 {
		return nil, false
	}
	return &b.Rows[i], true
}

// SameRates reports whether a book may replace another inside a month (D35):
// same currency, and for every operation of both the same funding, free
// allowance, model, tier basis and tiers. What only one of them has does not matter.
func SameRates(a, b *Book) bool {
	if a.Currency != b.Currency {
		return false
	}
	for i := range a.Operations {
		x := &a.Operations[i]
		if y, ok := b.Operation(x.Name); ok && !sameRates(x, y) {
			return false
		}
	}
	return true
}

func sameRates(x, y *Operation) bool {
	return x.Funding == y.Funding && x.FreePerMonth == y.FreePerMonth &&
		x.Model == y.Model && x.Basis == y.Basis && slices.Equal(x.Tiers, y.Tiers)
}
