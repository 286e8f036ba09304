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
// balance before and after (D37). That of a month that is not closed holds what
// is settled so far.
func (e *Engine) Statement(id string, month rating.Month) (rating.Statement, error) {
	start, _ := rating.MonthBounds(month, e.Zone)
	settled := e.Meta().Settled // before the history, which then has all of it
	h, err := e.history(id, start)
	if err != nil {
		return rating.Statement{}, err
	}
	return e.statement(h, month, settled)
}

// Statements are the closed months of an account, in order.
func (e *Engine) Statements(id string) ([]account.StatementRecord, error) {
	_, now := rating.MonthBounds(rating.MonthOf(e.Now()/int64(time.Second), e.Zone), e.Zone)
	h, err := e.history(id, now)
	return h.statements, err
}

// statement makes the statement of a month from a history that begins at its
// start at the latest, and has all that is settled until an instant.
func (e *Engine) statement(h history, month rating.Month, settled int64) (rating.Statement, error) {
	start, end := rating.MonthBounds(month, e.Zone)
	in := rating.StatementInput{Account: h.account.ID, Customer: h.account.Customer, Month: month, Currency: e.Currency,
		BookHashes: e.bookHashes(start, end), Ops: e.operations(end - 1), TierUse: new(rating.TierUse), Packages: h.offers(),
		LowerBounds: e.shortfalls(h.account.Number, start, min(end, settled))}
	if err := h.setBalances(&in); err != nil {
		return rating.Statement{}, err
	}
	if end <= settled && !h.open(month) { // nothing happened in it, and nothing will
		in.Closed = true
	}
	if err := e.addUsage(&in, h, start, end); err != nil {
		return rating.Statement{}, err
	}
	if err := e.addMovements(&in, h, start, end); err != nil {
		return rating.Statement{}, err
	}
	in.BookHashes = append(e.olderHashes(in, end), in.BookHashes...)
	return rating.Build(in)
}

// setBalances finds number, opening and closing balance: those on record where
// the month is closed, else what is not closed yet. A month in which nothing
// happened has no number.
func (h history) setBalances(in *rating.StatementInput) (err error) {
	month := uint32(in.Month)
	for _, r := range h.statements {
		switch {
		case r.Month < month:
			in.Opening, in.Closing = r.Closing, r.Closing
		case r.Month == month:
			in.Number, in.Closed = account.StatementNumber(h.account.ID, r.Number), true
			in.Opening, in.Closing = r.Opening, r.Closing
			return nil
		}
	}
	for _, m := range h.account.Months {
		if m.Month > month {
			break
		}
		in.Opening = in.Closing
		if in.Closing, err = in.Closing.Add(m.Sum); err != nil {
			return err
		}
		if m.Month < month {
			in.Opening = in.Closing
		}
	}
	return nil
}

// open reports whether a month has movements or usage and is not closed.
func (h history) open(month rating.Month) bool {
	return slices.ContainsFunc(h.account.Months, func(m account.OpenMonth) bool { return m.Month == uint32(month) })
}

// offers names what each package was bought as. The movements know it for ever.
func (h history) offers() map[string]string {
	offers := map[string]string{}
	for _, m := range h.movements {
		if m.Kind == account.MovePackage || m.Kind == account.MovePackageRenewal {
			offers[m.Reference] = account.OfferOf(m)
		}
	}
	return offers
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
	last := start
	e.EachBook(func(from int64, b *pricebook.Book) {
		switch {
		case from >= end:
			return
		case from <= start:
			hashes = hashes[:0]
		case from == last: // the one before was never in force
			hashes = hashes[:len(hashes)-1]
		}
		hashes, last = append(hashes, b.Hash), from
	})
	return hashes
}

// olderHashes are those of the books that priced calls without being in force in
// the month: of an operation that was dropped while its last calls ran (D6).
func (e *Engine) olderHashes(in rating.StatementInput, end int64) []string {
	used := map[string]bool{}
	for _, u := range in.Usage {
		if _, b := e.priced(u.Operation, end-1); b != nil && u.Funding == rating.FundingPayPerUse {
			used[b.Hash] = true
		}
	}
	var hashes []string
	e.EachBook(func(_ int64, b *pricebook.Book) {
		if used[b.Hash] && !slices.Contains(in.BookHashes, b.Hash) {
			hashes, used[b.Hash] = append(hashes, b.Hash), false
		}
	})
	return hashes
}

// addUsage sums the month's usage records.
func (e *Engine) addUsage(in *rating.StatementInput, h history, start, end int64) error {
	for _, hour := range h.hours {
		if hour.Start < start || hour.Start >= end {
			continue
		}
		for _, c := range hour.Charges {
			name := e.OperationName(c.Operation)
			if !c.Kind.Billed() {
				in.NotBilled = append(in.NotBilled, rating.NotBilled{Operation: name, Reason: reason(c.Line), Calls: c.Calls})
				continue
			}
			in.Usage = append(in.Usage, rating.Usage{Operation: name, Funding: c.Funding(), Calls: c.Calls})
		}
		for name, used := range e.hoursOf(hour.Charges) {
			if op := in.Ops(name); op != nil {
				if err := in.TierUse.Add(op, used); err != nil {
					return err
				}
			}
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

// hoursOf sums a period's calls by operation and what paid.
func (e *Engine) hoursOf(charges []account.Charge) map[string]rating.Hour {
	hours := map[string]rating.Hour{}
	for _, c := range charges {
		name := e.OperationName(c.Operation)
		h := hours[name]
		if c.AddTo(&h); h != (rating.Hour{}) {
			hours[name] = h
		}
	}
	return hours
}

func reason(l account.Line) string {
	if l.Observed {
		return l.Kind.String() + " (observed)"
	}
	return l.Kind.String()
}

// addMovements lists the month's movements. A debit belongs to the month of its
// hour (D19).
func (e *Engine) addMovements(in *rating.StatementInput, h history, start, end int64) error {
	for _, m := range h.movements {
		at := time.Unix(0, m.At).In(e.Zone)
		if unix := at.Unix(); unix >= start && unix < end {
			in.Movements = append(in.Movements, rating.Movement{At: at, Kind: m.Kind, Text: m.Text, Ref: m.Reference, Amount: m.Amount})
		}
	}
	for _, hour := range h.hours {
		if hour.Start < start || hour.Start >= end {
			continue
		}
		m, err := h.debit(hour, e.Zone)
		if err != nil {
			return err
		}
		if m.Amount != 0 {
			in.Movements = append(in.Movements, m)
		}
	}
	slices.SortStableFunc(in.Movements, func(a, b rating.Movement) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
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
