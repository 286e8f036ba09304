package billing

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Statement explains a month of an account: every line, every movement, the
// balance before and after (D37). That of a running month holds what is settled
// so far.
func (e *Engine) Statement(id string, month rating.Month) (rating.Statement, error) {
	start, end := rating.MonthBounds(month, e.Zone)
	h, err := e.history(id, start)
	if err != nil {
		return rating.Statement{}, err
	}
	in := rating.StatementInput{Number: fmt.Sprintf("%s-%s", id, month), Account: h.account.ID,
		Customer: h.account.Customer, Month: month, Currency: e.Currency,
		BookHashes: e.bookHashes(start, end), Ops: e.operations(end - 1)}
	if err := e.addUsage(&in, h, end); err != nil {
		return rating.Statement{}, err
	}
	if err := e.addMovements(&in, h, start, end); err != nil {
		return rating.Statement{}, err
	}
	return rating.Build(in)
}

// operations finds a month's rates by one of its instants. The last finds those
// of operations that were new in the month, too: its rates do not change (D35).
func (e *Engine) operations(at int64) func(string) *pricebook.Operation {
	rates := e.rates(at)
	return func(name string) *pricebook.Operation {
		number, _ := e.OperationNumber(name)
		op, _ := rates(number)
		return op
	}
}

// bookHashes are the books in force in [start, end), in order.
func (e *Engine) bookHashes(start, end int64) []string {
	var hashes []string
	e.EachBook(func(from int64, b *pricebook.Book) {
		if from <= start {
			hashes = hashes[:0]
		}
		if from < end {
			hashes = append(hashes, b.Hash)
		}
	})
	return hashes
}

// addUsage sums the month's usage records.
func (e *Engine) addUsage(in *rating.StatementInput, h history, end int64) error {
	for _, hour := range h.hours {
		if hour.Start >= end {
			break
		}
		for _, c := range hour.Charges {
			name := e.OperationName(c.Operation)
			if !c.Kind.Billed() {
				in.NotBilled = append(in.NotBilled, rating.NotBilled{Operation: name, Reason: reason(c.Line), Calls: c.Calls})
				continue
			}
			in.Usage = append(in.Usage, rating.Usage{Operation: name, Funding: c.Funding(), Calls: c.Calls})
		}
		sum, err := hour.Total(h.account.Number)
		if err != nil {
			return err
		}
		if in.DebitedUsage, err = in.DebitedUsage.Add(sum); err != nil {
			return err
		}
	}
	return nil
}

func reason(l account.Line) string {
	if l.Observed {
		return l.Kind.String() + " (observed)"
	}
	return l.Kind.String()
}

// addMovements lists the month's movements, and works back from the balance now
// to the one at the month's start and end. A debit belongs to the month of its
// hour (D19).
func (e *Engine) addMovements(in *rating.StatementInput, h history, start, end int64) error {
	opening, closing := h.account.Balance, h.account.Balance
	add := func(at int64, m rating.Movement) (err error) {
		if at < start {
			return nil
		}
		if opening, err = opening.Sub(m.Amount); err != nil {
			return err
		}
		if at >= end {
			closing, err = closing.Sub(m.Amount)
			return err
		}
		in.Movements = append(in.Movements, m)
		return nil
	}
	for _, m := range h.movements {
		at := time.Unix(0, m.At).In(e.Zone)
		if err := add(at.Unix(), rating.Movement{At: at, Kind: m.Kind, Text: m.Text, Ref: m.Reference, Amount: m.Amount}); err != nil {
			return err
		}
	}
	for _, hour := range h.hours {
		m, err := h.debit(hour, e.Zone)
		if err == nil && m.Amount != 0 {
			err = add(hour.Start, m)
		}
		if err != nil {
			return err
		}
	}
	slices.SortStableFunc(in.Movements, func(a, b rating.Movement) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	in.Opening, in.Closing = opening, closing
	return nil
}

// debit is the movement that a settled period was for an account.
func (h history) debit(hour ledger.BlockHour, zone *time.Location) (rating.Movement, error) {
	sum, err := hour.Total(h.account.Number)
	if err != nil {
		return rating.Movement{}, err
	}
	from, until := time.Unix(hour.Start, 0).In(zone), time.Unix(hour.Start+hour.Length, 0).In(zone)
	return rating.Movement{At: until, Kind: rating.MovementUsage, Amount: -sum,
		Text: fmt.Sprintf("usage %s–%s", from.Format("2006-01-02 15:04:05"), until.Format("15:04:05"))}, nil
}
