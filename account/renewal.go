package account

import (
	"cmp"

	"github.com/tallygate/tallygate/rating/money"
)

// RenewSubscription appends a term to an instance's last one, at any time until
// the instance is released (D31, D32).
type RenewSubscription struct {
	Instance  string `json:"instance"`
	Row       string `json:"row,omitempty"` // default: that of the last term
	Months    int    `json:"months"`
	MaxAmount string `json:"max_amount,omitempty"` // D34
	Held      int64  `json:"held,omitempty"`       // images held as the call was judged, adds in flight included; given by the gateway
}

func (*RenewSubscription) Type() string { return "renew-subscription" }

// Target and SetHeld make it a Resizer.
func (c *RenewSubscription) Target() string      { return c.Instance }
func (c *RenewSubscription) SetHeld(count int64) { c.Held = count }

// Resizer is a command that is refused while an instance holds more images than
// it will have room for. Who carries it out says how many are held, with the
// adds in flight.
type Resizer interface {
	Command
	Target() (instance string)
	SetHeld(images int64)
}

// Apply pays the term. It starts where the last one ends, also where that is
// past, and ends at the anchor and all months since.
func (c *RenewSubscription) Apply(a *Account, e Env) (Effects, error) {
	inst, err := a.liveInstance(c.Instance)
	if err != nil {
		return Effects{}, err
	}
	last := *a.lastOf(c.Instance)
	row, err := a.offer(e, cmp.Or(c.Row, last.Row))
	if err != nil {
		return Effects{}, err
	}
	if err := sameService(last, row); err != nil {
		return Effects{}, err
	}
	price, err := priceOf(row, c.Months)
	if err != nil {
		return Effects{}, err
	}
	if row.maxImages < last.MaxImages {
		if err := inst.fits(row, c.Held); err != nil {
			return Effects{}, err
		}
	}
	inst.Months += uint32(c.Months)
	s := a.newTerm(row, inst.Name, last.End, e.termEnd(inst.Anchor, inst.Months), c.Months, price)
	switch {
	case s.End <= e.unix():
		return Effects{}, refuse(NotAllowed, "months", "the term would end on %s, before now: renew for more months", e.instant(s.End))
	case s.End > termsEnd:
		return Effects{}, refuse(NotAllowed, "months", "%s", tooFar)
	}
	moved, err := a.pay(e, c.MaxAmount, sale{"renewal", MoveSubscriptionRenewal, "renewal " + row.id + " of " + c.Instance, subscriptionRef(s.Number), price})
	if err != nil {
		return Effects{}, err
	}
	a.Subscriptions = append(a.Subscriptions, s)
	return Effects{Movements: moved, Answer: a.subscriptionAnswer(e, s, moved)}, nil
}

// liveInstance finds an instance that is not released.
func (a *Account) liveInstance(name string) (*Instance, error) {
	inst := a.InstanceNamed(name)
	switch {
	case inst == nil:
		return nil, refuse(NotFound, "instance", "account %s has no instance %q", a.ID, name)
	case inst.Released != 0:
		return nil, refuse(NotAllowed, "instance", "%s is released: buy it anew when its data is deleted", name)
	}
	return inst, nil
}

// fits refuses a row that has no room for the images held (D30, D31).
func (i *Instance) fits(row offer, held int64) error {
	if held = max(held, i.Images+i.Uncertain); held > row.maxImages {
		return refuse(Conflict, "row", "%s holds %d images and row %s has room for %d: delete images first", i.Name, held, row.id, row.maxImages)
	}
	return nil
}

// ChangeSubscription puts another row in force at once, inside a running term
// (D30).
type ChangeSubscription struct {
	Instance  string `json:"instance"`
	Row       string `json:"row"`
	MaxAmount string `json:"max_amount,omitempty"` // D34; negative: the least credit
	Held      int64  `json:"held,omitempty"`       // see RenewSubscription
}

func (*ChangeSubscription) Type() string { return "change-subscription" }

// Target and SetHeld make it a Resizer.
func (c *ChangeSubscription) Target() string      { return c.Instance }
func (c *ChangeSubscription) SetHeld(count int64) { c.Held = count }

// Apply ends the old term and puts the new one in force at the same instant, at
// the difference for the rest of the term, to the second. Prepaid terms of the
// old row are changed along.
func (c *ChangeSubscription) Apply(a *Account, e Env) (Effects, error) {
	inst, err := a.liveInstance(c.Instance)
	if err != nil {
		return Effects{}, err
	}
	old := a.runningTerm(c.Instance, e.unix())
	if old == nil {
		return Effects{}, refuse(NotFound, "instance", "%s has no running subscription: renew it", c.Instance)
	}
	row, err := a.offer(e, c.Row)
	switch {
	case err != nil:
		return Effects{}, err
	case row.id == old.Row:
		return Effects{}, refuse(Conflict, "row", "%s has row %s already", c.Instance, row.id)
	}
	if err := sameService(*old, row); err != nil {
		return Effects{}, err
	}
	if err := inst.fits(row, c.Held); err != nil {
		return Effects{}, err
	}
	return a.change(e, *old, row, c.MaxAmount)
}

func (a *Account) change(e Env, old BoughtSubscription, row offer, most string) (Effects, error) {
	s := a.newTerm(row, old.Instance, e.unix(), old.End, int(old.Months), 0)
	s.TermStart = old.TermStart
	var due money.Amount
	var err error
	if s.Price, due, s.Favour, err = prorate(old, row, e.unix()); err != nil {
		return Effects{}, err
	}
	text := "change of " + old.Instance + " from " + old.Row + " to " + row.id + ", " + itoa(old.End-e.unix()) + " of " + itoa(old.End-old.TermStart) + " s left"
	sales := []sale{{"change", MoveSubscriptionChange, text, subscriptionRef(s.Number), due}}
	for i := range a.Subscriptions {
		later := &a.Subscriptions[i]
		if later.Instance != old.Instance || later.Row != old.Row || later.Void || later.Start <= e.unix() {
			continue
		}
		price, due, _, err := prorate(*later, row, later.Start) // of the whole term: nothing is rounded
		if err != nil {
			return Effects{}, err
		}
		later.Row, later.Price, later.MaxImages = row.id, price, row.maxImages
		later.Search, later.Add, later.Delete = row.search, row.add, row.delete
		sales = append(sales, sale{"change", MoveSubscriptionChange, "change of " + old.Instance + " from " + old.Row + " to " + row.id + ", a prepaid term",
			subscriptionRef(later.Number), due})
	}
	moved, err := a.pay(e, most, sales...)
	if err != nil {
		return Effects{}, err
	}
	for i := range a.Subscriptions {
		if a.Subscriptions[i].Number == old.Number {
			a.Subscriptions[i].End, a.Subscriptions[i].Void = e.unix(), true
		}
	}
	a.Subscriptions = append(a.Subscriptions, s)
	return Effects{Movements: moved, Answer: a.subscriptionAnswer(e, s, moved)}, nil
}

// prorate returns what a term's whole costs under another row, what is due for
// its rest from an instant on, half away from zero to the minor unit (D30), and
// the favour of all roundings so far.
//
// Three changes in a ring may each round in the customer's favour, and cost less
// than nothing, again and again. So what the roundings of a term's changes gave
// is kept, in parts of a minor unit of which the term's seconds make one, and
// where it would pass two units, either way, one is made up. Four changes of a
// term never get there.
func prorate(s BoughtSubscription, row offer, from int64) (whole, due money.Amount, favour int64, err error) {
	left, term := s.End-from, s.End-s.TermStart
	if whole, err = row.price.Mul(int64(s.Months)); err != nil {
		return 0, 0, 0, errPriceRange
	}
	difference, err := whole.Sub(s.Price)
	if err == nil {
		due, err = difference.MulDiv(left, term)
	}
	if err != nil {
		return 0, 0, 0, errPriceRange
	}
	// The rounding is less than a unit, so that wrapping products leave it right.
	favour = s.Favour + int64(difference)*left - int64(due)*term
	switch {
	case favour > 2*term:
		due, favour = due+1, favour-term
	case favour < -2*term:
		due, favour = due-1, favour+term
	}
	return whole, due, favour, nil
}

var errPriceRange = refuse(Invalid, "row", "the price is out of range")

// sameService refuses a row of another service: an instance is of one.
func sameService(s BoughtSubscription, row offer) error {
	if s.Service != row.service {
		return refuse(Conflict, "row", "%s is an instance of service %s and row %s is sold for %s", s.Instance, s.Service, row.id, row.service)
	}
	return nil
}
