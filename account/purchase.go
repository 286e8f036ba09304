package account

import (
	"cmp"
	"slices"
	"time"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
)

// BuyPackage buys prepaid calls (D14).
type BuyPackage struct {
	Package string `json:"package"` // id in the price book
}

func (*BuyPackage) Type() string { return "buy-package" }

// PackageAnswer describes a bought package.
type PackageAnswer struct {
	BalanceAnswer
	Package   uint32    `json:"package"`
	Offer     string    `json:"offer"`
	Operation string    `json:"operation"`
	Calls     uint64    `json:"calls"`
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
}

// Apply pays the package from the balance and puts it in force.
func (c *BuyPackage) Apply(a *Account, e Env) (Effects, error) {
	offer, ok := e.Book.Package(c.Package)
	if !ok {
		return Effects{}, refuse(NotFound, "package", "the price book in force has no package %q", c.Package)
	}
	number, ok := e.OperationNumber(offer.Operation)
	if !ok {
		return Effects{}, refuse(NotFound, "package", "operation %s of package %s is not registered", offer.Operation, offer.ID)
	}
	if err := a.mayBuy(e, "package", offer.Price); err != nil {
		return Effects{}, err
	}
	m, err := a.move(e, "package", "package "+offer.ID, "", -offer.Price)
	if err != nil {
		return Effects{}, err
	}
	start, end := e.term(offer.Months)
	a.PackagesBought++
	p := BoughtPackage{Number: a.PackagesBought, Offer: offer.ID, Operation: number, Quota: uint64(offer.Quota),
		Start: start.Unix(), End: end.Unix(), Price: offer.Price}
	a.Packages = append(a.Packages, p)
	slices.SortStableFunc(a.Packages, consumptionOrder)
	return Effects{Movements: []Movement{m}, Answer: PackageAnswer{BalanceAnswer: a.balanceAnswer(e, m), Package: p.Number,
		Offer: p.Offer, Operation: offer.Operation, Calls: p.Quota, Start: start, End: end}}, nil
}

// consumptionOrder is the order in which packages pay: earliest expiry, then
// earliest purchase, then number (D14).
func consumptionOrder(p, q BoughtPackage) int {
	return cmp.Or(cmp.Compare(p.End, q.End), cmp.Compare(p.Start, q.Start), cmp.Compare(p.Number, q.Number))
}

// term is from now for some calendar months of the billing zone (D15), in whole
// seconds.
func (e Env) term(months int) (start, end time.Time) {
	start = time.Unix(e.unix(), 0).In(e.Zone)
	return start, rating.AddMonths(start, months, e.Zone)
}

// Subscribe buys the right to call a search instance for a term (D25, D26).
type Subscribe struct {
	Instance string `json:"instance"`
	Row      string `json:"row"`
	Months   int    `json:"months"`
}

func (*Subscribe) Type() string { return "subscribe" }

// SubscriptionAnswer describes a bought term.
type SubscriptionAnswer struct {
	BalanceAnswer
	Subscription uint32    `json:"subscription"`
	Instance     string    `json:"instance"`
	Row          string    `json:"row"`
	MaxImages    int64     `json:"max_images"`
	QPS          int       `json:"qps"`
	Start        time.Time `json:"start"`
	End          time.Time `json:"end"`
}

// Apply pays the term from the balance and puts it in force.
func (c *Subscribe) Apply(a *Account, e Env) (Effects, error) {
	row, ok := e.Book.Row(c.Row)
	if !ok {
		return Effects{}, refuse(NotFound, "row", "the price book in force has no subscription row %q", c.Row)
	}
	if err := checkName("instance", c.Instance); err != nil {
		return Effects{}, err
	}
	if c.Months < 1 || c.Months > 36 {
		return Effects{}, refuse(Invalid, "months", "must be 1 to 36, got %d", c.Months)
	}
	if err := a.mayOpen(e, c.Instance); err != nil {
		return Effects{}, err
	}
	price, err := row.Price.Mul(int64(c.Months))
	if err != nil {
		return Effects{}, refuse(Invalid, "months", "%v", err)
	}
	if err := a.mayBuy(e, "subscription", price); err != nil {
		return Effects{}, err
	}
	m, err := a.move(e, "subscription", "subscription "+row.ID+" of "+c.Instance, "", -price)
	if err != nil {
		return Effects{}, err
	}
	s := a.openTerm(e, c, price)
	s.MaxImages = row.MaxImages
	s.Search, s.Add, s.Delete = uint32(row.QPS.Search), uint32(row.QPS.Add), uint32(row.QPS.Delete)
	a.Subscriptions = append(a.Subscriptions, s)
	return Effects{Movements: []Movement{m}, Answer: SubscriptionAnswer{BalanceAnswer: a.balanceAnswer(e, m),
		Subscription: s.Number, Instance: s.Instance, Row: s.Row, MaxImages: s.MaxImages, QPS: row.QPS.Search,
		Start: time.Unix(s.Start, 0).In(e.Zone), End: time.Unix(s.End, 0).In(e.Zone)}}, nil
}

func (a *Account) openTerm(e Env, c *Subscribe, price money.Amount) BoughtSubscription {
	start, end := e.term(c.Months)
	a.SubscriptionsIn++
	return BoughtSubscription{Number: a.SubscriptionsIn, Instance: c.Instance, Row: c.Row, Months: uint32(c.Months),
		Start: start.Unix(), End: end.Unix(), Price: price}
}

// mayOpen refuses a second live subscription of an instance, and a second
// purchase in a calendar month (D25).
func (a *Account) mayOpen(e Env, instance string) error {
	month := rating.MonthOf(e.unix(), e.Zone)
	for _, s := range a.Subscriptions {
		if s.Instance != instance {
			continue
		}
		if e.unix() < s.End {
			return refuse(Conflict, "instance", "%s has a subscription (%s) until %s", instance, s.Row,
				time.Unix(s.End, 0).In(e.Zone).Format(time.RFC3339))
		}
		if rating.MonthOf(s.Start, e.Zone) == month {
			return refuse(Conflict, "instance", "%s was bought in this calendar month already", instance)
		}
	}
	return nil
}
