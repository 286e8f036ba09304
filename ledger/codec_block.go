package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/tallygate/tallygate/account"
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

// walk visits Folded first: DecodeFolded relies on it.
func (b *Block) walk(c *coder) {
	c.uint(&b.Folded)
	last := b.Number * BlockSize
	list(c, &b.Accounts, func(a **account.Account) {
		if c.decoding {
			*a = new(account.Account)
		}
		near(c, &(*a).Number, &last)
		walkAccount(c, *a)
	})
}

func walkAccount(c *coder, a *account.Account) {
	text(c, &a.ID)
	own := a.Customer != a.ID // a customer id of its own is rare
	owing := a.Arrears != 0 || a.ArrearsLaw != account.Policy{}
	noPayPerUse := a.NoPayPerUse
	c.flags(&own, &owing, &noPayPerUse)
	if c.decoding {
		a.NoPayPerUse, a.Customer = noPayPerUse, a.ID
	}
	if own {
		text(c, &a.Customer)
	}
	if owing {
		signed(c, &a.Arrears)
		signed(c, &a.ArrearsLaw.Grace)
		signed(c, &a.ArrearsLaw.Retention)
	}
	signed(c, &a.Created)
	signed(c, &a.Balance)
	signed(c, &a.CreditLimit)
	signed(c, &a.LastMovement)
	small(c, &a.Movements)
	small(c, &a.PackagesBought)
	small(c, &a.SubscriptionsIn)
	list(c, &a.Usage, func(u *account.OperationUsage) { walkUsage(c, u) })
	list(c, &a.Packages, func(p *account.BoughtPackage) { walkPackage(c, p) })
	list(c, &a.Subscriptions, func(s *account.BoughtSubscription) { walkSubscription(c, s) })
	list(c, &a.Keys, func(k *account.Key) { walkKey(c, k) })
}

func walkUsage(c *coder, u *account.OperationUsage) {
	small(c, &u.Operation)
	small(c, &u.Month)
	c.uint(&u.Free)
	c.uint(&u.PayPerUse)
	signed(c, &u.Debited)
}

func walkPackage(c *coder, p *account.BoughtPackage) {
	small(c, &p.Number)
	text(c, &p.Offer)
	small(c, &p.Operation)
	c.uint(&p.Quota)
	c.uint(&p.Used)
	signed(c, &p.Start)
	signed(c, &p.End)
	signed(c, &p.Price)
}

func walkSubscription(c *coder, s *account.BoughtSubscription) {
	small(c, &s.Number)
	text(c, &s.Instance)
	text(c, &s.Row)
	signed(c, &s.Start)
	signed(c, &s.End)
	signed(c, &s.MaxImages)
	small(c, &s.Search)
	small(c, &s.Add)
	small(c, &s.Delete)
	small(c, &s.Months)
	signed(c, &s.Price)
}

func walkKey(c *coder, k *account.Key) {
	text(c, &k.ID)
	text(c, &k.Kind)
	c.hash(&k.Hash)
	text(c, &k.Instance)
	text(c, &k.Label)
	signed(c, &k.Created)
}
