package ledger

import (
	"fmt"

	"github.com/tallygate/tallygate/account"
)

func subjectOfEvent(account, number uint32) subject {
	return subjectOf('e', uint64(account), uint64(number))
}

// AppendEvent encodes an event.
func AppendEvent(dst []byte, v account.Event) []byte {
	return subjectOfEvent(v.Account, v.Number).encode(dst, func(c *coder) { walkEvent(c, &v) })
}

// DecodeEvent decodes the value of an account's event, or ErrDamaged.
func DecodeEvent(number, event uint32, value []byte) (account.Event, error) {
	v := account.Event{Account: number, Number: event}
	if err := subjectOfEvent(number, event).decode(value, func(c *coder) { walkEvent(c, &v) }); err != nil {
		return account.Event{}, fmt.Errorf("account %d, event %d: %w", number, event, err)
	}
	return v, nil
}

func walkEvent(c *coder, v *account.Event) {
	signed(c, &v.At)
	text(c, &v.Kind)
	text(c, &v.Subject)
	text(c, &v.Text)
}

func subjectOfStatement(account, month uint32) subject {
	return subjectOf('s', uint64(account), uint64(month))
}

// AppendStatement encodes a closed month.
func AppendStatement(dst []byte, r account.StatementRecord) []byte {
	return subjectOfStatement(r.Account, r.Month).encode(dst, func(c *coder) { walkStatement(c, &r) })
}

// DecodeStatement decodes the value of an account's closed month, or ErrDamaged.
func DecodeStatement(number, month uint32, value []byte) (account.StatementRecord, error) {
	r := account.StatementRecord{Account: number, Month: month}
	if err := subjectOfStatement(number, month).decode(value, func(c *coder) { walkStatement(c, &r) }); err != nil {
		return account.StatementRecord{}, fmt.Errorf("account %d, statement of %d: %w", number, month, err)
	}
	return r, nil
}

func walkStatement(c *coder, r *account.StatementRecord) {
	small(c, &r.Number)
	signed(c, &r.Opening)
	signed(c, &r.Closing)
}

func subjectOfTrial(customer string) subject { return subjectNamed('t', []byte(customer)) }

// AppendTrial encodes the trial that a customer has had.
func AppendTrial(dst []byte, customer string, t Trial) []byte {
	return subjectOfTrial(customer).encode(dst, t.walk)
}

// DecodeTrial decodes the value of a customer's trial, or ErrDamaged.
func DecodeTrial(customer string, value []byte) (t Trial, err error) {
	if err = subjectOfTrial(customer).decode(value, t.walk); err != nil {
		return Trial{}, fmt.Errorf("trial of %q: %w", customer, err)
	}
	return t, nil
}

func (t *Trial) walk(c *coder) {
	small(c, &t.Account)
	c.uint(&t.Input)
}
