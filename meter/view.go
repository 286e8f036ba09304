package meter

import (
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating/money"
)

// View is what the ledger says of an account, as far as admission cares.
// Instants are event time in Unix nanoseconds.
type View struct {
	Number        uint32
	InArrears     bool
	GraceUntil    int64 // in arrears, until when free and pay-per-use calls pass all the same (D21)
	ReleasedAt    int64 // 0 = not released (D23)
	PayPerUse     bool  // D11
	Balance       money.Amount
	CreditLimit   money.Amount
	FreeUsed      []FreeUsed
	Usage         []Usage
	Packages      []Package
	Subscriptions []Subscription
	Instances     []Instance
}

// FreeUsed is how much of a month's free allowance settled periods used.
type FreeUsed struct {
	Operation uint16
	Month     uint32
	Calls     uint64
}

// Usage is what settled periods used of a pay-per-use operation in its newest
// month, and what they debited (D12).
type Usage struct {
	Operation  uint16
	Month      uint32
	PayPerUse  uint64
	Successful uint64      // whatever paid (D9)
	Exact      money.Total // what the pay-per-use calls cost, not rounded
	Debited    money.Amount
}

// Package is a package in the order in which packages are used up (D14).
type Package struct {
	Number     uint32
	Operation  uint16
	Left       uint64 // after settled periods
	Start, End int64
}

// Subscription is one term of an instance.
type Subscription struct {
	Number     uint32
	Instance   string
	Service    string // whose operations it pays for
	Start, End int64
	Limits     [classes]uint32 // calls in any second, by Class
	MaxImages  int64           // D28
	Void       bool            // a change ended it: it pays for nothing more (D30)
}

// Instance is a search index of the account.
type Instance struct {
	Name       string
	ID         uint32 // a name that is bought anew after its release gets a new one
	ReleasedAt int64  // 0 = not released (D32)
	Images     int64  // held, after the changes that the ledger knows (D28)
	Uncertain  int64  // of unknown outcome
}

// ViewOf is what admission cares about in an account of the ledger.
func ViewOf(a *account.Account) (v View) {
	v.Fill(a)
	return v
}

// Fill makes the view that of another account, in the memory that it has: Load and
// Update keep nothing of it.
func (v *View) Fill(a *account.Account) {
	*v = View{Number: a.Number, InArrears: a.Arrears != 0, ReleasedAt: nanos(a.Released), PayPerUse: !a.NoPayPerUse,
		Balance: a.Balance, CreditLimit: a.CreditLimit,
		FreeUsed: v.FreeUsed[:0], Usage: v.Usage[:0], Packages: v.Packages[:0], Subscriptions: v.Subscriptions[:0], Instances: v.Instances[:0]}
	if a.Arrears != 0 && a.ArrearsLaw.AllowInGrace {
		v.GraceUntil = nanos(a.Arrears + a.ArrearsLaw.Grace)
	}
	for _, u := range a.Usage {
		v.FreeUsed = append(v.FreeUsed, FreeUsed{u.Operation, u.Month, u.Free})
		v.Usage = append(v.Usage, Usage{u.Operation, u.Month, u.PayPerUse, u.Successful, u.Exact, u.Debited})
	}
	for _, p := range a.Packages {
		v.Packages = append(v.Packages, Package{Number: p.Number, Operation: p.Operation,
			Left: p.Quota - min(p.Quota, p.Used), Start: nanos(p.Start), End: nanos(p.End)})
	}
	for _, s := range a.Subscriptions {
		v.Subscriptions = append(v.Subscriptions, Subscription{Number: s.Number, Instance: s.Instance, Service: s.Service,
			Start: nanos(s.Start), End: nanos(s.End), Limits: [classes]uint32{s.Search, s.Add, s.Delete},
			MaxImages: s.MaxImages, Void: s.Void})
	}
	for _, i := range a.Instances {
		v.Instances = append(v.Instances, Instance{Name: i.Name, ID: i.ID, ReleasedAt: nanos(i.Released),
			Images: i.Images, Uncertain: i.Uncertain})
	}
}

func nanos(unix int64) int64 { return unix * int64(time.Second) }

// KindOf translates where the ledger says a key is read from.
func KindOf(k account.KeyKind) KeyKind {
	switch k {
	case account.AccessKeyID:
		return AccessKeyID
	case account.Identity:
		return Identity
	}
	return Secret
}
