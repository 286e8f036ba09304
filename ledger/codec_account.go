package ledger

import (
	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating/money"
)

// account visits an account but for its number: in w.state what settlements and
// time move, in w.terms what only commands change, and what renewals bring.
func (w *blockWalk) account(a *account.Account) {
	s, t := w.state, w.terms
	text(t, &a.ID)
	own, owing, sold, noPayPerUse := hasOf(a)
	s.flags(&own, &owing, &sold, &noPayPerUse)
	if s.decoding {
		a.NoPayPerUse, a.Customer = noPayPerUse, a.ID
	}
	if own {
		text(t, &a.Customer)
	}
	if owing {
		walkArrears(s, a)
	}
	signed(s, &a.Balance)
	signed(t, &a.CreditLimit)
	signed(t, &a.LowBalance)
	signed(s, &a.Closed)
	signed(t, &a.Created)
	w.happened(a)
	small(t, &a.PackagesBought)
	w.used(a)
	listIn(t, &w.packages, &a.Packages, w.packaged)
	listIn(t, &w.keys, &a.Keys, func(k *account.Key) { walkKey(t, k) })
	if sold {
		w.subscriptions(a)
	}
}

// moving visits of an account that is written down what is in w.state, as account does.
func (w *blockWalk) moving(a *account.Account) {
	s := w.state
	own, owing, sold, noPayPerUse := hasOf(a)
	s.flags(&own, &owing, &sold, &noPayPerUse)
	if owing {
		walkArrears(s, a)
	}
	signed(s, &a.Balance)
	signed(s, &a.Closed)
	w.happened(a)
	w.used(a)
	for i := range a.Packages {
		s.uint(&a.Packages[i].Used)
	}
	for i := range a.Instances {
		walkImages(s, &a.Instances[i])
	}
}

// hasOf tells of what few accounts have whether this one has it: a customer id of its
// own, something of arrears, something of search instances, a ban on pay-per-use.
func hasOf(a *account.Account) (own, owing, sold, noPayPerUse bool) {
	own = a.Customer != a.ID
	owing = a.Arrears != 0 || a.ArrearsLaw != account.Law{} || a.Retained || a.Released != 0 || a.ReleaseAck
	sold = len(a.Subscriptions)+len(a.Instances)+len(a.Rows) > 0 || a.InstancesIn > 0 || a.SubscriptionsIn > 0
	return own, owing, sold, a.NoPayPerUse
}

// happened visits when and how often something did.
func (w *blockWalk) happened(a *account.Account) {
	s := w.state
	s.instant(&a.Seen, &w.seen)
	last := w.seen
	s.instant(&a.LastMovement, &last)
	for _, number := range []*uint32{&a.Movements, &a.Events, &a.Statements} {
		small(s, number)
	}
}

func (w *blockWalk) used(a *account.Account) {
	s := w.state
	listIn(s, &w.months, &a.Months, func(m *account.OpenMonth) { s.month(&m.Month, &w.month); signed(s, &m.Sum) })
	listIn(s, &w.usage, &a.Usage, w.operation)
}

func walkArrears(c *coder, a *account.Account) {
	signed(c, &a.Arrears)
	walkLaw(c, &a.ArrearsLaw)
	c.flags(&a.Retained, &a.ReleaseAck)
	signed(c, &a.Released)
}

func walkLaw(c *coder, l *account.Law) {
	signed(c, &l.Grace)
	signed(c, &l.Retention)
	c.flags(&l.AllowInGrace)
}

func (w *blockWalk) operation(u *account.OperationUsage) {
	c := w.state
	small(c, &u.Operation)
	c.month(&u.Month, &w.month)
	c.uint(&u.Free)
	c.uint(&u.PayPerUse)
	c.besides(&u.Successful, u.Free+u.PayPerUse)
	hi, lo := u.Exact.Parts()
	c.uint(&hi)
	c.uint(&lo)
	if c.decoding {
		u.Exact = money.TotalOf(hi, lo)
	}
	signed(c, &u.Debited)
}

func (w *blockWalk) packaged(p *account.BoughtPackage) {
	c := w.terms
	small(c, &p.Number)
	small(c, &p.Chain)
	text(c, &p.Offer)
	small(c, &p.Operation)
	c.uint(&p.Quota)
	w.state.uint(&p.Used)
	for _, unix := range []*int64{&p.Bought, &p.Start, &p.End, &p.Anchor, &p.Renewable} {
		signed(c, unix)
	}
	small(c, &p.Months)
	small(c, &p.TermMonths)
	signed(c, &p.Price)
	c.flags(&p.AutoRenew)
}

// subscriptions visits what only accounts with search instances have.
func (w *blockWalk) subscriptions(a *account.Account) {
	c := w.terms
	small(c, &a.SubscriptionsIn)
	small(c, &a.InstancesIn)
	listIn(c, &w.bought, &a.Subscriptions, func(s *account.BoughtSubscription) { walkSubscription(c, s) })
	listIn(c, &w.instances, &a.Instances, w.instance)
	listIn(c, &w.rows, &a.Rows, func(r *account.OwnRow) { walkRow(c, r) })
}

func walkSubscription(c *coder, s *account.BoughtSubscription) {
	small(c, &s.Number)
	text(c, &s.Instance)
	text(c, &s.Service)
	text(c, &s.Row)
	for _, unix := range []*int64{&s.Start, &s.End, &s.TermStart, &s.MaxImages, &s.Favour} {
		signed(c, unix)
	}
	for _, n := range []*uint32{&s.Search, &s.Add, &s.Delete, &s.Months} {
		small(c, n)
	}
	signed(c, &s.Price)
	c.flags(&s.Trial, &s.Void)
}

// instance has the images held among what moves: they do so from hour to hour.
func (w *blockWalk) instance(i *account.Instance) {
	c := w.terms
	text(c, &i.Name)
	for _, n := range []*uint32{&i.ID, &i.Months, &i.Purchases} {
		small(c, n)
	}
	for _, unix := range []*int64{&i.Anchor, &i.Bought, &i.Released} {
		signed(c, unix)
	}
	walkImages(w.state, i)
	c.flags(&i.Ack)
}

func walkImages(c *coder, i *account.Instance) {
	signed(c, &i.Images)
	signed(c, &i.Uncertain)
}

func walkRow(c *coder, r *account.OwnRow) {
	text(c, &r.ID)
	text(c, &r.Service)
	signed(c, &r.MaxImages)
	for _, n := range []*uint32{&r.Search, &r.Add, &r.Delete} {
		small(c, n)
	}
	signed(c, &r.Price)
}

func walkKey(c *coder, k *account.Key) {
	text(c, &k.ID)
	text(c, &k.Kind)
	c.hash(&k.Hash)
	text(c, &k.Instance)
	text(c, &k.Label)
	signed(c, &k.Created)
}
