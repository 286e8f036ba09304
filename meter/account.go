package meter

import (
	"sync"

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

// Account is the admission state of one account. All of it is under mu.
type Account struct {
	mu          sync.Mutex
	number      uint32
	inArrears   bool
	payPerUse   bool
	graceUntil  int64
	releaseAt   int64
	balance     money.Amount
	creditLimit money.Amount
	period      *period // whose slots the lines name
	lines       []slotOf
	operation   []operationState
	packages    []Package
	instances   []*instance
}

// slotOf remembers the counter of a line in the account's newest period.
type slotOf struct {
	line account.Line
	slot uint32
}

// operationState is an account's use of one pay-per-use operation.
type operationState struct {
	number  uint16
	month   uint32
	used    uint64 // free calls of the month, held ones included
	window  *window
	charges *charges // nil before its first pay-per-use call
}

// Load puts an account as the ledger has it, at start. Open counters are added
// afterwards with Recount.
func (m *Meter) Load(v View) {
	a := m.account(v.Number)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.packages = nil // what the fold of the journal's tail told, on its way to this view
	a.apply(v)
	for _, f := range v.FreeUsed {
		a.state(f.Operation, f.Month).used = f.Calls
	}
}

// Update puts what changed in the ledger while the gateway runs. What the meter
// itself counts, calls used of packages and allowances, stays: it is ahead of
// the ledger by the open periods and the holds.
func (m *Meter) Update(v View) {
	a := m.account(v.Number)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.apply(v)
}

func (a *Account) apply(v View) {
	a.inArrears, a.payPerUse, a.releaseAt, a.graceUntil = v.InArrears, v.PayPerUse, v.ReleasedAt, v.GraceUntil
	a.balance, a.creditLimit = v.Balance, v.CreditLimit
	for _, u := range v.Usage {
		a.settled(u)
	}
	known := a.packages
	a.packages = make([]Package, 0, len(v.Packages))
	for _, p := range v.Packages {
		for _, k := range known {
			if k.Number == p.Number {
				p.Left = k.Left
			}
		}
		a.packages = append(a.packages, p)
	}
	a.applyInstances(v)
}

// recount takes counted calls of an unsettled period from what the ledger's
// figures left, at start.
func (m *Meter) recount(c account.Count, p *period) {
	a := m.account(c.Account)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch c.Kind {
	case account.Free:
		a.state(c.Operation, c.Ref).used += c.Calls
	case account.Package:
		if p := a.pack(c.Ref); p != nil {
			p.Left -= min(p.Left, c.Calls)
		}
	case account.PayPerUse:
		a.charged(c.Operation, p.month, p.catalog.operation(c.Operation), c.Calls)
	}
}

// state returns the use of an operation, begun anew when the month is newer.
func (a *Account) state(number uint16, month uint32) *operationState {
	var s *operationState
	for i := range a.operation {
		if a.operation[i].number == number {
			s = &a.operation[i]
		}
	}
	if s == nil {
		a.operation = append(a.operation, operationState{number: number, month: month})
		s = &a.operation[len(a.operation)-1]
	}
	if month > s.month {
		s.month, s.used = month, 0
	}
	return s
}

// window is the rate window of a pay-per-use operation.
func (a *Account) window(number uint16, month uint32) *window {
	s := a.state(number, month)
	if s.window == nil {
		s.window = &window{}
	}
	return s.window
}

func (a *Account) pack(number uint32) *Package {
	for i := range a.packages {
		if a.packages[i].Number == number {
			return &a.packages[i]
		}
	}
	return nil
}
