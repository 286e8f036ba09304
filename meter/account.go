package meter

import (
	"math"
	"sync"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating/money"
)

// Account is the admission state of one account. All of it is under mu.
//
// There may be a million of them: what most accounts have is in the struct
// itself, what every call looks at first, and the rest behind pointers that are
// nil for most.
type Account struct {
	mu        sync.Mutex
	number    uint32
	period    uint32 // number of the period whose counters follow; 0 = none yet
	counters  [fewCounters]counter
	inArrears bool
	payPerUse bool
	packed    bool         // whether there is a package
	more      *accountMore // nil for most
	instance  *instance    // the first one, nil where there is none
	free      allowances
	pack      Package      // the first one
	credit    money.Amount // balance and credit limit
	charges   *charges     // nil before the first pay-per-use call
	rates     *rate        // of pay-per-use operations that have some

	moreCounters *moreCounters
}

// accountMore is what few accounts have.
type accountMore struct {
	graceUntil int64
	releaseAt  int64
	packages   []Package
	free       []freeUse
	instances  []*instance
	names      []string // of instances that keys are bound to, see binding
}

// rest returns what few accounts have, made at its first use.
func (a *Account) rest() *accountMore {
	if a.more == nil {
		a.more = &accountMore{}
	}
	return a.more
}

// Load puts an account as the ledger has it, at start. Open counters are added
// afterwards with Recount.
func (m *Meter) Load(v View) {
	a := m.account(v.Number)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.setPackages(nil) // what the fold of the journal's tail told, on its way to this view
	a.apply(v, &m.names)
	for _, f := range v.FreeUsed {
		a.setFree(f)
	}
}

// Update puts what changed in the ledger while the gateway runs. What the meter
// itself counts, calls used of packages and allowances, stays: it is ahead of
// the ledger by the open periods and the holds.
func (m *Meter) Update(v View) {
	a := m.account(v.Number)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.apply(v, &m.names)
}

func (a *Account) apply(v View, names *repeats) {
	a.inArrears, a.payPerUse = v.InArrears, v.PayPerUse
	if a.more != nil || v.ReleasedAt != 0 || v.GraceUntil != 0 {
		more := a.rest()
		more.releaseAt, more.graceUntil = v.ReleasedAt, v.GraceUntil
	}
	var err error
	if a.credit, err = v.Balance.Add(v.CreditLimit); err != nil {
		a.credit = math.MaxInt64
	}
	for _, u := range v.Usage {
		a.settled(u)
	}
	a.setPackages(v.Packages)
	a.applyInstances(v, names)
}

// recount takes counted calls of an unsettled period from what the ledger's
// figures left, at start. Later calls of the line find the counter that it had.
func (m *Meter) recount(c account.Count, slot uint32, p *period) {
	a := m.account(c.Account)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.period != p.number {
		a.forgetCounters(p.number)
	}
	if _, taken := a.findCounter(&c.Line); !taken {
		a.addCounter(c.Line, slot)
	}
	switch c.Kind {
	case account.Free:
		a.useFree(c.Operation, c.Ref, c.Calls)
	case account.Package:
		if p := a.findPackage(c.Ref); p != nil {
			p.Left -= min(p.Left, c.Calls)
		}
	case account.PayPerUse:
		a.charged(c.Operation, p.month, p.catalog.operation(c.Operation), c.Calls)
	}
}

// releasedBy reports whether the account is released at an instant (D23).
func (a *Account) releasedBy(now int64) bool {
	return a.more != nil && a.more.releaseAt != 0 && now >= a.more.releaseAt
}

// blocked reports whether free and pay-per-use calls are (D21).
func (a *Account) blocked(now int64) bool {
	return a.inArrears && (a.more == nil || now >= a.more.graceUntil)
}
