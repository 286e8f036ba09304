package ledger

import (
	"fmt"

	"github.com/tallygate/tallygate/account"
)

func subjectOfMovement(account, number uint32) subject {
	return subjectOf('m', uint64(account), uint64(number))
}

// AppendMovement encodes a movement.
func AppendMovement(dst []byte, m account.Movement) []byte {
	return subjectOfMovement(m.Account, m.Number).encode(dst, func(c *coder) { walkMovement(c, &m) })
}

// DecodeMovement decodes the value of an account's movement, or ErrDamaged.
func DecodeMovement(number, movement uint32, value []byte) (account.Movement, error) {
	m := account.Movement{Account: number, Number: movement}
	err := subjectOfMovement(number, movement).decode(value, func(c *coder) { walkMovement(c, &m) })
	if err != nil {
		return account.Movement{}, fmt.Errorf("account %d, movement %d: %w", number, movement, err)
	}
	return m, nil
}

func walkMovement(c *coder, m *account.Movement) {
	signed(c, &m.At)
	text(c, &m.Kind)
	text(c, &m.Text)
	text(c, &m.Reference)
	signed(c, &m.Amount)
	signed(c, &m.Balance)
}

func subjectOfAnswer(key [32]byte) subject { return subjectNamed('i', key[:]) }

// AppendAnswer encodes an answer.
func AppendAnswer(dst []byte, a Answer) []byte { return subjectOfAnswer(a.Key).encode(dst, a.walk) }

// DecodeAnswer decodes the value of an idempotency key's SHA-256, or ErrDamaged.
func DecodeAnswer(key [32]byte, value []byte) (Answer, error) {
	a := Answer{Key: key}
	if err := subjectOfAnswer(key).decode(value, a.walk); err != nil {
		return Answer{}, fmt.Errorf("answer %x: %w", key, err)
	}
	return a, nil
}

func (a *Answer) walk(c *coder) {
	c.hash(&a.Content)
	c.uint(&a.Input)
	c.blob(&a.JSON)
}

func subjectOfMeta() subject { return subjectOf('g', 0, 0) }

// AppendMeta encodes what concerns the whole ledger.
func AppendMeta(dst []byte, m Meta) []byte { return subjectOfMeta().encode(dst, m.walk) }

// DecodeMeta decodes the value of a Meta, or ErrDamaged.
func DecodeMeta(value []byte) (Meta, error) {
	var m Meta
	if err := subjectOfMeta().decode(value, m.walk); err != nil {
		return Meta{}, fmt.Errorf("meta: %w", err)
	}
	return m, nil
}

func (m *Meta) walk(c *coder) {
	text(c, &m.ID)
	text(c, &m.Currency)
	text(c, &m.Zone)
	c.flags(&m.Test)
	signed(c, &m.Created)
	c.uint(&m.Folded)
	small(c, &m.Accounts)
	list(c, &m.Operations, func(name *string) { text(c, name) })
	signed(c, &m.Settled)
	walkLaw(c, &m.Policy.Law)
	c.flags(&m.Policy.EndOfDay, &m.Policy.Realtime)
	small(c, &m.Policy.Purchases)
	signed(c, &m.Started)
	text(c, &m.Configured)
	c.extra(1, len(m.Shortfalls) > 0, func() {
		list(c, &m.Shortfalls, func(s *Shortfall) { walkShortfall(c, s) })
	})
}

func walkShortfall(c *coder, s *Shortfall) {
	c.uint(&s.Input)
	signed(c, &s.Start)
	signed(c, &s.Length)
	c.uint(&s.Damaged)
	c.uint(&s.PowerLosses)
	signed(c, &s.SyncInterval)
	list(c, &s.Accounts, func(number *uint32) { small(c, number) })
}

func subjectOfBook(input uint64) subject { return subjectOf('p', input, 0) }

// AppendBook encodes a price book.
func AppendBook(dst []byte, b PriceBook) []byte { return subjectOfBook(b.Input).encode(dst, b.walk) }

// DecodeBook decodes the value of a price book's input, or ErrDamaged.
func DecodeBook(input uint64, value []byte) (PriceBook, error) {
	b := PriceBook{Input: input}
	if err := subjectOfBook(input).decode(value, b.walk); err != nil {
		return PriceBook{}, fmt.Errorf("price book %d: %w", input, err)
	}
	return b, nil
}

func (b *PriceBook) walk(c *coder) {
	signed(c, &b.From)
	c.flags(&b.Scheduled)
	c.blob(&b.Source)
}

func subjectOfID(id string) subject { return subjectNamed('n', []byte(id)) }

func subjectOfKey(hash [32]byte) subject { return subjectNamed('k', hash[:]) }

// AppendNumber encodes the number of the account with an id.
func AppendNumber(dst []byte, id string, number uint32) []byte {
	return subjectOfID(id).encode(dst, func(c *coder) { small(c, &number) })
}

// DecodeNumber decodes the account number of an id, or ErrDamaged.
func DecodeNumber(id string, value []byte) (number uint32, err error) {
	if err = subjectOfID(id).decode(value, func(c *coder) { small(c, &number) }); err != nil {
		return 0, fmt.Errorf("account id %q: %w", id, err)
	}
	return number, nil
}

// AppendKeyOwner encodes the number of the account that has a key.
func AppendKeyOwner(dst []byte, hash [32]byte, number uint32) []byte {
	return subjectOfKey(hash).encode(dst, func(c *coder) { small(c, &number) })
}

// DecodeKeyOwner decodes the account number of a key's hash, or ErrDamaged.
func DecodeKeyOwner(hash [32]byte, value []byte) (number uint32, err error) {
	if err = subjectOfKey(hash).decode(value, func(c *coder) { small(c, &number) }); err != nil {
		return 0, fmt.Errorf("key %x: %w", hash, err)
	}
	return number, nil
}
