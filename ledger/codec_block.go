package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating/money"
)

func subjectOfBlock(number uint32) subject { return subjectOf('b', uint64(number), 0) }

// AppendBlock encodes a block.
func AppendBlock(dst []byte, b Block) []byte {
	return subjectOfBlock(b.Number).encode(dst, b.walk)
}

// DecodeBlock decodes the value of a block, or ErrDamaged.
func DecodeBlock(number uint32, value []byte) (Block, error) {
	b := Block{Number: number}
	if err := subjectOfBlock(number).decode(value, b.walk); err != nil {
		return Block{}, fmt.Errorf("block %d: %w", number, err)
	}
	return b, nil
}

// DecodeFolded returns only the Folded of a block's value, whose check it makes,
// or ErrDamaged.
func DecodeFolded(number uint32, value []byte) (uint64, error) {
	body, err := subjectOfBlock(number).open(value)
	if err != nil {
		return 0, fmt.Errorf("block %d: %w", number, err)
	}
	folded, n := binary.Uvarint(body)
	if n <= 0 {
		return 0, fmt.Errorf("block %d: %w: no folded sequence", number, ErrDamaged)
	}
	return folded, nil
}

// walk visits Folded first: DecodeFolded relies on it. What is decoded is
// replaced as a whole later on, so the accounts of a block share what they stand
// in: a dozen allocations instead of as many for each.
func (b *Block) walk(c *coder) {
	if c.decoding {
		c.source = string(c.b)
	}
	c.uint(&b.Folded)
	last := b.Number * BlockSize
	var s slabs
	list(c, &b.Accounts, func(a **account.Account) {
		if c.decoding {
			c.lists = cap(b.Accounts) - len(b.Accounts) + 1
			*a = &s.accounts.cut(1, c.lists)[:1][0]
		}
		near(c, &(*a).Number, &last)
		walkAccount(c, &s, *a)
	})
}

// slabs are where the accounts of a block and their lists stand.
type slabs struct {
	accounts      slab[account.Account]
	months        slab[account.OpenMonth]
	usage         slab[account.OperationUsage]
	packages      slab[account.BoughtPackage]
	subscriptions slab[account.BoughtSubscription]
	instances     slab[account.Instance]
	rows          slab[account.OwnRow]
	keys          slab[account.Key]
}

func walkAccount(c *coder, s *slabs, a *account.Account) {
	text(c, &a.ID)
	own := a.Customer != a.ID // a customer id of its own is rare
	owing := a.Arrears != 0 || a.ArrearsLaw != account.Law{} || a.Retained || a.Released != 0 || a.ReleaseAck
	sold := len(a.Subscriptions)+len(a.Instances)+len(a.Rows) > 0 || a.InstancesIn > 0 || a.SubscriptionsIn > 0
	noPayPerUse := a.NoPayPerUse
	c.flags(&own, &owing, &sold, &noPayPerUse)
	if c.decoding {
		a.NoPayPerUse, a.Customer = noPayPerUse, a.ID
	}
	if own {
		text(c, &a.Customer)
	}
	if owing {
		walkArrears(c, a)
	}
	for _, amount := range []*money.Amount{&a.Balance, &a.CreditLimit, &a.LowBalance, &a.Closed} {
		signed(c, amount)
	}
	for _, unix := range []*int64{&a.Created, &a.Seen, &a.LastMovement} {
		signed(c, unix)
	}
	for _, number := range []*uint32{&a.Movements, &a.Events, &a.Statements, &a.PackagesBought} {
		small(c, number)
	}
	listIn(c, &s.months, &a.Months, func(m *account.OpenMonth) { small(c, &m.Month); signed(c, &m.Sum) })
	listIn(c, &s.usage, &a.Usage, func(u *account.OperationUsage) { walkUsage(c, u) })
	listIn(c, &s.packages, &a.Packages, func(p *account.BoughtPackage) { walkPackage(c, p) })
	listIn(c, &s.keys, &a.Keys, func(k *account.Key) { walkKey(c, k) })
	if sold {
		walkSubscriptions(c, s, a)
	}
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

func walkUsage(c *coder, u *account.OperationUsage) {
	small(c, &u.Operation)
	small(c, &u.Month)
	c.uint(&u.Free)
	c.uint(&u.PayPerUse)
	c.uint(&u.Successful)
	hi, lo := u.Exact.Parts()
	c.uint(&hi)
	c.uint(&lo)
	if c.decoding {
		u.Exact = money.TotalOf(hi, lo)
	}
	signed(c, &u.Debited)
}

func walkPackage(c *coder, p *account.BoughtPackage) {
	small(c, &p.Number)
	small(c, &p.Chain)
	text(c, &p.Offer)
	small(c, &p.Operation)
	c.uint(&p.Quota)
	c.uint(&p.Used)
	for _, unix := range []*int64{&p.Bought, &p.Start, &p.End, &p.Anchor, &p.Renewable} {
		signed(c, unix)
	}
	small(c, &p.Months)
	small(c, &p.TermMonths)
	signed(c, &p.Price)
	c.flags(&p.AutoRenew)
}

// walkSubscriptions visits what only accounts with search instances have.
func walkSubscriptions(c *coder, s *slabs, a *account.Account) {
	small(c, &a.SubscriptionsIn)
	small(c, &a.InstancesIn)
	listIn(c, &s.subscriptions, &a.Subscriptions, func(t *account.BoughtSubscription) { walkSubscription(c, t) })
	listIn(c, &s.instances, &a.Instances, func(i *account.Instance) { walkInstance(c, i) })
	listIn(c, &s.rows, &a.Rows, func(r *account.OwnRow) { walkRow(c, r) })
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

func walkInstance(c *coder, i *account.Instance) {
	text(c, &i.Name)
	for _, n := range []*uint32{&i.ID, &i.Months, &i.Purchases} {
		small(c, n)
	}
	for _, n := range []*int64{&i.Anchor, &i.Bought, &i.Released, &i.Images, &i.Uncertain} {
		signed(c, n)
	}
	c.flags(&i.Ack)
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
