package rating

import (
	"fmt"
	"strings"

	"github.com/tallygate/tallygate/rating/money"
)

// sums are what a month's movements come to, by what a statement shows apart.
type sums struct{ credits, adjustments, purchases, usage money.Amount }

func (s *sums) add(m Movement) (err error) {
	switch {
	case m.Kind == MovementUsage:
		s.usage, err = s.usage.Sub(m.Amount)
	case m.Kind == MovementAdjustment:
		s.adjustments, err = s.adjustments.Add(m.Amount)
	case m.Amount > 0:
		s.credits, err = s.credits.Add(m.Amount)
	default:
		s.purchases, err = s.purchases.Sub(m.Amount)
	}
	return err
}

// addMovements lists and sums up the movements and checks what they lead to.
func (s *Statement) addMovements(in StatementInput) (err error) {
	balance, sum := in.Opening, sums{}
	for _, m := range in.Movements {
		if balance, err = balance.Add(m.Amount); err != nil {
			return fmt.Errorf("balance after movement %q: %w", m.Ref, err)
		}
		if err := sum.add(m); err != nil {
			return fmt.Errorf("%s up to movement %q: %w", m.Kind, m.Ref, err)
		}
		s.Movements = append(s.Movements, Entry{m.At, m.Kind, m.Text, m.Ref, in.Currency.Format(m.Amount)})
	}
	switch {
	case balance != in.Closing:
		return fmt.Errorf("%w: its movements lead to %s, its closing balance is %s; refold the ledger and compare",
			ErrStatement, in.Currency.Format(balance), s.Closing)
	case sum.usage != in.DebitedUsage:
		return fmt.Errorf("%w: its usage movements debit %s, its settlements debited %s; refold the ledger and compare",
			ErrStatement, in.Currency.Format(sum.usage), in.Currency.Format(in.DebitedUsage))
	}
	s.Credits, s.Adjustments = in.Currency.Format(sum.credits), in.Currency.Format(sum.adjustments)
	s.Purchases = in.Currency.Format(sum.purchases)
	return nil
}

// summary is the balance from opening to closing, signed so that the amounts of
// all rows but the last add up to it.
func (s Statement) summary() [][2]string {
	return [][2]string{
		{"opening balance", s.Opening},
		{"payments and credits", s.Credits},
		{"adjustments", s.Adjustments},
		{"purchases", negated(s.Purchases)},
		{"usage", negated(s.Usage)},
		{"closing balance", s.Closing},
	}
}

// negated is −x of a decimal.
func negated(x string) string {
	if strings.Trim(x, "0.") == "" {
		return x
	}
	if positive, ok := strings.CutPrefix(x, "-"); ok {
		return positive
	}
	return "-" + x
}
