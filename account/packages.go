package account

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// BuyPackage buys prepaid calls (D14).
type BuyPackage struct {
	Package   string `json:"package"` // id in the price book
	AutoRenew bool   `json:"auto_renew,omitempty"`
	MaxAmount string `json:"max_amount,omitempty"` // D34
}

func (*BuyPackage) Type() string { return "buy-package" }

// PackageAnswer describes a bought term of a package.
type PackageAnswer struct {
	BalanceAnswer
	Package   uint32    `json:"package"`
	Offer     string    `json:"offer"`
	Operation string    `json:"operation"`
	Calls     uint64    `json:"calls"`
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
	AutoRenew bool      `json:"auto_renew"`
}

// Apply pays the package from the balance and puts it in force.
func (c *BuyPackage) Apply(a *Account, e Env) (Effects, error) {
	offer, ok := e.book().Package(c.Package)
	if !ok {
		return Effects{}, refuse(NotFound, "package", "the price book in force has no package %q", c.Package)
	}
	p := BoughtPackage{Chain: a.PackagesBought + 1, Start: e.unix(), Anchor: e.unix(), AutoRenew: c.AutoRenew}
	return a.sellPackage(e, offer, p, MovePackage, c.MaxAmount)
}

// sellPackage completes a term, takes the money and puts it in force.
func (a *Account) sellPackage(e Env, offer *pricebook.Package, p BoughtPackage, kind, most string) (Effects, error) {
	var ok bool
	if p.Operation, ok = e.OperationNumber(offer.Operation); !ok {
		return Effects{}, refuse(NotFound, "package", "operation %s of package %s is not registered", offer.Operation, offer.ID)
	}
	a.PackagesBought++
	p.Number, p.Offer, p.Quota, p.Price, p.Bought = a.PackagesBought, offer.ID, uint64(offer.Quota), offer.Price, e.unix()
	p.TermMonths = uint32(offer.Months)
	p.Months += p.TermMonths
	p.End = e.termEnd(p.Anchor, p.Months)
	switch {
	case p.End <= e.unix():
		return Effects{}, refuse(NotAllowed, "package", "the term would end on %s, before now: buy the package anew", e.instant(p.End))
	case p.End > termsEnd:
		return Effects{}, refuse(NotAllowed, "package", "%s", tooFar)
	}
	moved, err := a.pay(e, most, sale{what: "package", kind: kind, text: "package " + offer.ID, reference: packageRef(p.Number), price: offer.Price})
	if err != nil {
		return Effects{}, err
	}
	a.Packages = append(a.Packages, p)
	slices.SortStableFunc(a.Packages, consumptionOrder)
	return Effects{Movements: moved, Answer: PackageAnswer{BalanceAnswer: a.balanceAnswer(e, moved), Package: p.Number, Offer: p.Offer,
		Operation: offer.Operation, Calls: p.Quota, Start: e.time(p.Start), End: e.time(p.End), AutoRenew: p.AutoRenew}}, nil
}

// OfferOf is the offer that a movement bought.
func OfferOf(m Movement) string { return strings.TrimPrefix(m.Text, "package ") }

// consumptionOrder is the order in which packages pay: earliest expiry, then
// earliest purchase, then number (D14).
func consumptionOrder(p, q BoughtPackage) int {
	return cmp.Or(cmp.Compare(p.End, q.End), cmp.Compare(p.Bought, q.Bought), cmp.Compare(p.Number, q.Number))
}

// termEnd is when so many calendar months since an anchor are over (D15).
func (e Env) termEnd(anchor int64, months uint32) int64 {
	end := rating.AddMonths(time.Unix(anchor, 0), int(months), e.Zone)
	if e.Policy.EndOfDay {
		end = rating.EndOfDay(end, e.Zone)
	}
	return end.Unix()
}

// termsEnd is the latest end of a term: the start of 9999 in UTC. Later years
// cannot be written as RFC 3339 has it.
const termsEnd = 253_370_764_800

const tooFar = "the term would end after the year 9998: it is paid far enough ahead"

// RenewPackage appends a term to a package's chain (D17).
type RenewPackage struct {
	Package   uint32 `json:"package"` // number of any of its terms
	MaxAmount string `json:"max_amount,omitempty"`
}

func (*RenewPackage) Type() string { return "renew-package" }

// Apply pays the term at the present price. Where the last one has ended the
// new one starts at its end all the same: the lapsed time is paid for, and
// nothing that came before the payment is funded.
func (c *RenewPackage) Apply(a *Account, e Env) (Effects, error) {
	last := a.lastTerm(c.Package)
	if last == nil {
		return Effects{}, refuse(NotFound, "package", "account %s has no package %d, or it can be renewed no more", a.ID, c.Package)
	}
	return a.renewPackage(e, *last, c.MaxAmount)
}

func (a *Account) renewPackage(e Env, last BoughtPackage, most string) (Effects, error) {
	if last.Renewable != 0 && e.unix() >= last.Renewable {
		return Effects{}, refuse(NotAllowed, "package", "package %d lapsed for good on %s: buy it anew", last.Number, e.instant(last.Renewable))
	}
	offer, ok := e.book().Package(last.Offer)
	if !ok {
		return Effects{}, refuse(NotFound, "package", "the price book in force has no package %q any more: buy another one", last.Offer)
	}
	if uint32(offer.Months) != last.TermMonths {
		return Effects{}, refuse(Conflict, "package", "package %q lasts %d months now and the one to renew %d: buy it anew", last.Offer, offer.Months, last.TermMonths)
	}
	if operation, _ := e.OperationNumber(offer.Operation); operation != last.Operation {
		return Effects{}, refuse(Conflict, "package", "package %q is of %s now and the one to renew of another operation: buy it anew", last.Offer, offer.Operation)
	}
	next := BoughtPackage{Chain: last.Chain, Start: last.End, Anchor: last.Anchor, Months: last.Months, AutoRenew: last.AutoRenew}
	effects, err := a.sellPackage(e, offer, next, MovePackageRenewal, most)
	if err != nil {
		return Effects{}, err
	}
	old := a.packageNumbered(last.Number)
	old.AutoRenew, old.Renewable = false, 0
	return effects, nil
}

// SetAutoRenewal is the customer's setting for a package's chain (D17).
type SetAutoRenewal struct {
	Package uint32 `json:"package"`
	On      bool   `json:"on"`
}

func (*SetAutoRenewal) Type() string { return "set-auto-renewal" }

// AutoRenewalAnswer says what is set.
type AutoRenewalAnswer struct {
	Account   string `json:"account"`
	Package   uint32 `json:"package"` // the chain's last term
	AutoRenew bool   `json:"auto_renew"`
}

// Apply sets it on the last term.
func (c *SetAutoRenewal) Apply(a *Account, e Env) (Effects, error) {
	last := a.lastTerm(c.Package)
	if last == nil || e.unix() >= last.End {
		return Effects{}, refuse(NotFound, "package", "account %s has no running package %d", a.ID, c.Package)
	}
	last.AutoRenew = c.On
	return Effects{Answer: AutoRenewalAnswer{a.ID, last.Number, last.AutoRenew}}, nil
}

func (a *Account) packageNumbered(number uint32) *BoughtPackage {
	for i := range a.Packages {
		if a.Packages[i].Number == number {
			return &a.Packages[i]
		}
	}
	return nil
}

// lastTerm is the newest term of the chain that a term is of. The chain outlives
// its first term, whose number customers know it by.
func (a *Account) lastTerm(number uint32) (last *BoughtPackage) {
	chain := number
	if p := a.packageNumbered(number); p != nil {
		chain = p.Chain
	}
	for i := range a.Packages {
		if q := &a.Packages[i]; q.Chain == chain && (last == nil || q.Number > last.Number) {
			last = q
		}
	}
	return last
}

// lastTerms are the numbers of the last terms, by chain: lastTerm for all of them
// at once, since an account may have thousands.
func (a *Account) lastTerms() map[uint32]uint32 {
	last := make(map[uint32]uint32, len(a.Packages))
	for i := range a.Packages {
		p := &a.Packages[i]
		last[p.Chain] = max(last[p.Chain], p.Number)
	}
	return last
}

// packageDues is what happens to one term by time alone.
func (a *Account) packageDues(p BoughtPackage, newest bool, after int64, e Env, yield func(due)) {
	ref, order := packageRef(p.Number), orderOf(ofPackage, p.Number)
	if p.Start > p.Bought {
		yield(due{p.Start, rankStart, order, func(Env) Effects { return a.notice(p.Start, EventPackageStarted, ref, p.Offer) }})
	}
	if !newest {
		return
	}
	if p.Renewable != 0 {
		yield(due{p.Renewable, rankExpiry, orderOf(ofLapse, p.Number), func(Env) Effects { return a.notice(p.Renewable, EventPackageLapsed, ref, p.Offer) }})
		return
	}
	yield(due{p.End, rankExpiry, order, func(e Env) Effects { return a.expirePackage(p, e) }})
	for _, days := range noticesOfExpiry {
		if at := p.End - days*day; at > p.Bought {
			yield(due{at, rankNotice, order, func(Env) Effects { return a.notice(at, NoticeExpiry, ref, p.Offer+" expires "+inDays(days)) }})
		}
	}
	// What happened last may be another package's attempt at the same instant:
	// this one's is then still to come.
	for _, last := range []int64{after - 1, after} {
		at := rating.HourEnd(max(last, p.End-day-1), e.Zone)
		if p.AutoRenew && at < p.End {
			yield(due{at, rankSettlement, order, func(e Env) Effects { return a.autoRenew(p, e) }})
		}
	}
}

// autoRenew tries once. What fails is tried again at the next settlement, and
// told when the package expires (D17).
func (a *Account) autoRenew(p BoughtPackage, e Env) Effects {
	trial := a.Clone()
	effects, err := trial.renewPackage(e, p, "")
	if err != nil {
		return Effects{}
	}
	before := a.Balance
	*a = *trial
	effects.Answer = nil
	effects.Events = append(effects.Events, a.event(e.unix(), EventAutoRenewed, packageRef(a.PackagesBought), p.Offer))
	effects.Events = append(effects.Events, a.fellLow(before, e.unix(), e)...)
	return effects
}

// expirePackage notes that the chain's last term has ended, and until when it
// can be renewed.
func (a *Account) expirePackage(p BoughtPackage, e Env) Effects {
	old := a.packageNumbered(p.Number)
	old.Renewable, old.AutoRenew = p.End+e.Policy.Grace+e.Policy.Retention, false
	effects := a.notice(p.End, EventPackageExpired, packageRef(p.Number), p.Offer)
	if !p.AutoRenew {
		return effects
	}
	why := "no settlement before the expiry could renew it: renew it now, the term starts at the old end"
	if _, err := a.Clone().renewPackage(e, p, ""); err != nil {
		why = err.Error()
	}
	effects.add(a.notice(p.End, NoticeRenewalFailed, packageRef(p.Number), why))
	return effects
}
