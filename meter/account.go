package meter

import (
	"sync"

	"github.com/tallygate/tallygate/account"
)

// View is what the ledger says of an account, as far as admission cares.
// Instants are event time in Unix nanoseconds.
type View struct {
	Number        uint32
	InArrears     bool
	ReleasedAt    int64 // 0 = no release in sight (D20)
	PayPerUse     bool  // D11
	FreeUsed      []FreeUsed
	Packages      []Package
	Subscriptions []Subscription
}

// FreeUsed is how much of a month's free allowance settled periods used.
type FreeUsed struct {
	Operation uint16
	Month     uint32
	Calls     uint64
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
	Start, End int64
	Limits     [classes]uint32 // calls in any second, by Class
	ReleasedAt int64           // the instance is released from here on (D32); 0 = never
}

// Account is the admission state of one account. All of it is under mu.
type Account struct {
	mu        sync.Mutex
	number    uint32
	inArrears bool
	payPerUse bool
	releaseAt int64
	period    *period // whose slots the lines name
	lines     []slotOf
	operation []operationState
	packages  []Package
	instances []*instance
}

// slotOf remembers the counter of a line in the account's newest period.
type slotOf struct {
	line account.Line
	slot uint32
}

// operationState is an account's use of one pay-per-use operation.
type operationState struct {
	number uint16
	month  uint32
	used   uint64 // free calls of the month, held ones included
	window *window
}

// instance is a search index, its rates and the terms that pay for it.
type instance struct {
	name    string
	terms   []Subscription
	windows [classes]window
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
	a.inArrears, a.payPerUse, a.releaseAt = v.InArrears, v.PayPerUse, v.ReleasedAt
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
	for _, i := range a.instances {
		i.terms = i.terms[:0]
	}
	for _, s := range v.Subscriptions {
		i := a.instance(s.Instance)
		if i == nil {
			i = &instance{name: s.Instance}
			a.instances = append(a.instances, i)
		}
		i.terms = append(i.terms, s)
	}
}

// Recount takes counted calls of an unsettled period from what the ledger's
// figures left, at start.
func (m *Meter) Recount(c account.Count) {
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

func (a *Account) instance(name string) *instance {
	for _, i := range a.instances {
		if i.name == name {
			return i
		}
	}
	return nil
}
