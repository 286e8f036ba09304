package meter

import (
	"math"
	"runtime"
	"sync"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating/money"
)

// Account is the admission state of one account. All of it is under mu.
//
// There may be a million of them: what most accounts have is in the struct
// itself, 128 bytes, what every call looks at in the first 64, and the rest
// behind numbers in the meter's store that are 0 for most.
type Account struct {
	mu           sync.Mutex
	number       uint32
	period       uint32 // number of the period whose counters follow; 0 = none yet
	counters     [fewCounters]counter
	inArrears    bool
	payPerUse    bool
	packed       bool   // whether there is a package
	instance     uint32 // the first one
	charges      uint32 // the list's first; 0 before the first pay-per-use call
	rates        uint32 // of pay-per-use operations that have some, the list's first
	moreCounters uint32
	more         uint32
	free         allowances
	pack         Package      // the first one
	credit       money.Amount // balance and credit limit
}

// accountMore is what few accounts have.
type accountMore struct {
	graceUntil int64
	releaseAt  int64
	packages   []Package
	free       []freeUse
	instances  []uint32
	names      []string // of instances that keys are bound to, see binding
}

// rest returns what few accounts have, made at its first use.
func (a *Account) rest(s *store) (more *accountMore) {
	if a.more == 0 {
		a.more, more = s.accountMore.take()
		return more
	}
	return s.accountMore.at(a.more)
}

// Load puts an account as the ledger has it, at start. Open counters are added
// afterwards with Recount.
func (m *Meter) Load(v View) {
	a := m.account(v.Number)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.setPackages(m.store, nil) // what the fold of the journal's tail told, on its way to this view
	a.apply(m.store, v)
	for _, f := range v.FreeUsed {
		a.setFree(m.store, f)
	}
}

// Update puts what changed in the ledger while the gateway runs. What the meter
// itself counts, calls used of packages and allowances, stays: it is ahead of
// the ledger by the open periods and the holds.
func (m *Meter) Update(v View) {
	a := m.account(v.Number)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.apply(m.store, v)
}

func (a *Account) apply(s *store, v View) {
	a.inArrears, a.payPerUse = v.InArrears, v.PayPerUse
	if a.more != 0 || v.ReleasedAt != 0 || v.GraceUntil != 0 {
		more := a.rest(s)
		more.releaseAt, more.graceUntil = v.ReleasedAt, v.GraceUntil
	}
	var err error
	if a.credit, err = v.Balance.Add(v.CreditLimit); err != nil {
		a.credit = math.MaxInt64
	}
	for _, u := range v.Usage {
		a.settled(s, u)
	}
	a.setPackages(s, v.Packages)
	a.applyInstances(s, v)
}

// recountAll takes up what a tally counted. To find a million accounts takes most of
// that, so it is done on several processors, each account on one of them: a line may
// have several counters, and the first is the one that goes on.
func (m *Meter) recountAll(p *period) {
	var all sync.WaitGroup
	shares := uint32(min(runtime.GOMAXPROCS(0), 4)) // each of them passes by all counters
	for share := range shares {
		all.Go(func() {
			for slot, c := range p.file.Each() {
				if c.Account/neighbours%shares == share {
					m.recount(c, slot, p)
				}
			}
		})
	}
	all.Wait()
}

// neighbours are so many accounts that stand in other lines of the processors' caches
// than the next so many, but for the edges.
const neighbours = 64

// recount takes counted calls of an unsettled period from what the ledger's
// figures left, at start. Later calls of the line find the counter that it had.
func (m *Meter) recount(c account.Count, slot uint32, p *period) {
	a := m.account(c.Account)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.period != p.number {
		a.forgetCounters(m.store, p.number)
	}
	if _, taken := a.findCounter(m.store, &c.Line); !taken {
		a.addCounter(m.store, c.Line, slot)
	}
	switch c.Kind {
	case account.Free:
		a.useFree(m.store, c.Operation, c.Ref, c.Calls)
	case account.Package:
		if p := a.findPackage(m.store, c.Ref); p != nil {
			p.Left -= min(p.Left, c.Calls)
		}
	case account.PayPerUse:
		a.charged(m.store, c.Operation, p.month, p.catalog.operation(c.Operation), c.Calls)
	}
}

// releasedBy reports whether the account is released at an instant (D23).
func (a *Account) releasedBy(s *store, now int64) bool {
	more := s.accountMore.at(a.more)
	return more != nil && more.releaseAt != 0 && now >= more.releaseAt
}

// blocked reports whether free and pay-per-use calls are (D21).
func (a *Account) blocked(s *store, now int64) bool {
	if !a.inArrears {
		return false
	}
	more := s.accountMore.at(a.more)
	return more == nil || now >= more.graceUntil
}
