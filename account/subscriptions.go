package account

import (
	"time"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
)

// Subscribe buys the right to call a search instance for a term (D25, D26), or
// begins its trial (D29).
type Subscribe struct {
	Instance  string `json:"instance"`
	Row       string `json:"row"`
	Months    int    `json:"months"`
	Trial     bool   `json:"trial,omitempty"`
	MaxAmount string `json:"max_amount,omitempty"` // D34
}

func (*Subscribe) Type() string { return "subscribe" }

// SubscriptionAnswer describes a term.
type SubscriptionAnswer struct {
	BalanceAnswer
	Subscription uint32    `json:"subscription"`
	Instance     string    `json:"instance"`
	Row          string    `json:"row"`
	MaxImages    int64     `json:"max_images"`
	QPS          int       `json:"qps"`
	Start        time.Time `json:"start"`
	End          time.Time `json:"end"`
	Trial        bool      `json:"trial,omitempty"`
}

// Apply pays the term from the balance and puts it in force.
func (c *Subscribe) Apply(a *Account, e Env) (Effects, error) {
	row, err := a.offer(e, c.Row)
	if err != nil {
		return Effects{}, err
	}
	price, err := priceOf(row, c.Months)
	if err != nil {
		return Effects{}, err
	}
	if c.Trial {
		if err := a.mayTry(e, row, c.Months); err != nil {
			return Effects{}, err
		}
		price = 0
	}
	inst, err := a.openInstance(e, c.Instance)
	if err != nil {
		return Effects{}, err
	}
	inst.Months = uint32(c.Months)
	s := a.newTerm(row, inst.Name, e.unix(), e.termEnd(inst.Anchor, inst.Months), c.Months, price)
	s.Trial = c.Trial
	if s.End > termsEnd {
		return Effects{}, refuse(NotAllowed, "months", "%s", tooFar)
	}
	moved, err := a.pay(e, c.MaxAmount, sale{"subscription", MoveSubscription, "subscription " + row.id + " of " + c.Instance, subscriptionRef(s.Number), price})
	if err != nil {
		return Effects{}, err
	}
	a.Subscriptions = append(a.Subscriptions, s)
	effects := Effects{Movements: moved, Answer: a.subscriptionAnswer(e, s, moved)}
	if c.Trial {
		effects.Trial = a.Customer
	}
	return effects, nil
}

const monthsMax = 36 // of one purchase

func priceOf(row offer, months int) (money.Amount, error) {
	if months < 1 || months > monthsMax {
		return 0, refuse(Invalid, "months", "must be 1 to %d, got %d", monthsMax, months)
	}
	price, err := row.price.Mul(int64(months))
	if err != nil {
		return 0, refuse(Invalid, "months", "%v", err)
	}
	return price, nil
}

// mayTry refuses a trial that is none of the offered, or not the customer's
// first (D29).
func (a *Account) mayTry(e Env, row offer, months int) error {
	switch {
	case !row.trial:
		return refuse(NotAllowed, "trial", "row %s has no trial: leave trial away to buy it", row.id)
	case months != 1:
		return refuse(Invalid, "months", "a trial is one month, got %d", months)
	case e.TrialTaken != nil && e.TrialTaken(a.Customer):
		return refuse(Conflict, "trial", "customer %s has had its trial: there is one for each customer, for ever", a.Customer)
	}
	return nil
}

// openInstance makes the instance that is bought, or refuses: a second live
// subscription, one that is to be renewed instead, a second purchase in a
// calendar month (D25), one whose data is still to be deleted (D32).
func (a *Account) openInstance(e Env, name string) (*Instance, error) {
	if err := checkName("instance", name); err != nil {
		return nil, err
	}
	month := rating.MonthOf(e.unix(), e.Zone)
	bought := uint32(0)
	if old := a.InstanceNamed(name); old != nil {
		last := a.lastOf(name)
		switch {
		case old.Released == 0 && e.unix() < last.End:
			return nil, refuse(Conflict, "instance", "%s has a subscription (%s) until %s: renew or change it", name, last.Row, e.instant(last.End))
		case old.Released == 0:
			return nil, refuse(Conflict, "instance", "the subscription of %s ended on %s and its data is retained: renew it, the term then starts there", name, e.instant(last.End))
		case !old.Ack:
			return nil, refuse(Conflict, "instance", "%s was released and its data is still to be deleted: buy it when that is acknowledged", name)
		}
		if rating.MonthOf(old.Bought, e.Zone) == month {
			bought = old.Purchases
		}
	}
	if most := max(e.Policy.Purchases, 1); bought >= most {
		return nil, refuse(Conflict, "instance", "%s was bought %d times in this calendar month already, the most there may be", name, bought)
	}
	a.Instances = keep(a.Instances, func(i Instance) bool { return i.Name != name })
	a.InstancesIn++
	a.Instances = append(a.Instances, Instance{Name: name, ID: a.InstancesIn, Anchor: e.unix(), Bought: e.unix(), Purchases: bought + 1})
	return &a.Instances[len(a.Instances)-1], nil
}

// newTerm numbers a term. Its whole is what it is paid for.
func (a *Account) newTerm(row offer, instance string, start, end int64, months int, price money.Amount) BoughtSubscription {
	a.SubscriptionsIn++
	return BoughtSubscription{Number: a.SubscriptionsIn, Instance: instance, Service: row.service, Row: row.id, Start: start, End: end, TermStart: start,
		MaxImages: row.maxImages, Search: row.search, Add: row.add, Delete: row.delete, Months: uint32(months), Price: price}
}

func (a *Account) subscriptionAnswer(e Env, s BoughtSubscription, moved []Movement) SubscriptionAnswer {
	return SubscriptionAnswer{BalanceAnswer: a.balanceAnswer(e, moved), Subscription: s.Number, Instance: s.Instance, Row: s.Row,
		MaxImages: s.MaxImages, QPS: int(s.Search), Start: e.time(s.Start), End: e.time(s.End), Trial: s.Trial}
}

// lastOf is the term of an instance that ends last, nil if it has none.
func (a *Account) lastOf(instance string) (last *BoughtSubscription) {
	for i := range a.Subscriptions {
		if s := &a.Subscriptions[i]; s.Instance == instance && !s.Void && (last == nil || s.End > last.End || s.End == last.End && s.Number > last.Number) {
			last = s
		}
	}
	return last
}

// runningTerm is the term of an instance that is in force, nil if none is.
func (a *Account) runningTerm(instance string, now int64) *BoughtSubscription {
	for i := range a.Subscriptions {
		if s := &a.Subscriptions[i]; s.Instance == instance && !s.Void && s.Start <= now && now < s.End {
			return s
		}
	}
	return nil
}

// MaxImages is how many images an instance has room for at an instant (Unix
// seconds), 0 while no term is in force.
func (a *Account) MaxImages(instance string, now int64) int64 {
	if s := a.runningTerm(instance, now); s != nil {
		return s.MaxImages
	}
	return 0
}
