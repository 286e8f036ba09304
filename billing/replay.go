package billing

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/usage"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Replay recomputes what a statement says of one pay-per-use operation, hour by
// hour, from the sealed files and the price books that the statement names.
type Replay struct {
	Account    string       `json:"account"`
	Month      rating.Month `json:"month"`
	Operation  string       `json:"operation"`
	PriceBooks []string     `json:"price_books"`
	Hours      []ReplayHour `json:"hours"`
	Debited    string       `json:"debited"`   // sum of the hours
	Statement  string       `json:"statement"` // what the statement says
	Same       bool         `json:"same"`
}

// ReplayHour is one sealed period of it. Before and After count pay-per-use
// calls in the month, or all successful ones where the tiers do (D9).
type ReplayHour struct {
	Start        time.Time `json:"start"`
	End          time.Time `json:"end"`
	File         string    `json:"file"`
	Hash         string    `json:"hash"` // SHA-256 of the file, as the journal names it
	Free         uint64    `json:"free"`
	Package      uint64    `json:"package"`
	PayPerUse    uint64    `json:"pay_per_use"`
	Before       uint64    `json:"before"`
	After        uint64    `json:"after"`
	ChargeBefore string    `json:"charge_before"`
	ChargeAfter  string    `json:"charge_after"`
	Debit        string    `json:"debit"`
	LowerBound   string    `json:"lower_bound,omitempty"` // why calls may be missing, where they may
}

// Replay reads the journal and the sealed files of the month. It does not look
// at what the ledger has settled, but for the statement to compare with: again, if
// a period was settled in between.
func (e *Engine) Replay(ctx context.Context, id string, month rating.Month, operation string) (Replay, error) {
	for {
		settled := e.Meta().Settled
		r, closed, err := e.replay(ctx, id, month, operation, settled)
		if err != nil || closed || e.Meta().Settled == settled {
			return r, err
		}
	}
}

// replay goes up to an instant. It also says whether the month is closed: then
// nothing can come in between.
func (e *Engine) replay(ctx context.Context, id string, month rating.Month, operation string, until int64) (r Replay, closed bool, err error) {
	st, err := e.Statement(id, month)
	if err != nil {
		return r, false, err
	}
	a, err := e.Account(id)
	if err != nil {
		return r, false, err
	}
	r = Replay{Account: a.ID, Month: month, Operation: operation, PriceBooks: st.BookHashes, Hours: []ReplayHour{},
		Statement: e.Currency.Format(0)}
	for _, l := range st.Lines {
		if l.Operation == operation && l.Funding == rating.FundingPayPerUse {
			r.Statement = l.Amount
		}
	}
	sum, err := e.replayHours(ctx, a.Number, &r, until)
	if err != nil {
		return r, false, err
	}
	r.Debited = e.Currency.Format(sum)
	r.Same = r.Debited == r.Statement
	return r, st.Closed, nil
}

// replayHours walks the journal for the month's sealed files up to an instant.
func (e *Engine) replayHours(ctx context.Context, number uint32, r *Replay, until int64) (sum money.Amount, err error) {
	start, end := rating.MonthBounds(r.Month, e.Zone)
	lost, err := lostPeriods(e.Journal, 1)
	if err != nil {
		return 0, err
	}
	var month rating.Accrual
	for rec, err := range e.Journal.Read(1) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return 0, fmt.Errorf("reading the journal: %w", err)
		}
		if rec.Kind != inputPeriod {
			continue
		}
		in, err := decode[periodInput](rec.Seq, rec.Payload)
		if err != nil {
			return 0, err
		}
		if _, gone := lost[rec.Seq]; gone || in.File == "" || in.Start < start || in.Start >= min(end, until) {
			continue
		}
		debit, err := e.replayHour(number, rec.Seq, in, &month, r)
		if err == nil {
			sum, err = sum.Add(debit)
		}
		if err != nil {
			return 0, fmt.Errorf("journal record %d: %w", rec.Seq, err)
		}
	}
	return sum, nil
}

// replayHour adds a sealed file's calls to the month.
func (e *Engine) replayHour(number uint32, seq uint64, in periodInput, month *rating.Accrual, r *Replay) (debit money.Amount, err error) {
	file, err := e.openSealed(in, seq)
	if err != nil {
		return 0, err
	}
	h := callsOf(file, number, slices.Index(file.Info().Header.Operations, r.Operation))
	if h == (rating.Hour{}) {
		return 0, nil
	}
	op, ok := e.rates(in.Start)(e.mustNumber(r.Operation))
	if !ok {
		return 0, fmt.Errorf("no price book in force prices %q", r.Operation)
	}
	before := *month
	if *month, err = before.Add(op, h); err != nil {
		return 0, err
	}
	was, err := before.Charge(e.Currency)
	if err != nil {
		return 0, err
	}
	is, err := month.Charge(e.Currency)
	if err != nil {
		return 0, err
	}
	if debit, err = is.Sub(was); err != nil {
		return 0, err
	}
	line := ReplayHour{Start: time.Unix(in.Start, 0).In(e.Zone), End: time.Unix(in.Start+in.Length, 0).In(e.Zone),
		File: in.File, Hash: hex.EncodeToString(in.Hash), Free: h.Free, Package: h.Package, PayPerUse: h.PayPerUse,
		Before: counted(op, before), After: counted(op, *month),
		ChargeBefore: e.Currency.Format(was), ChargeAfter: e.Currency.Format(is), Debit: e.Currency.Format(debit)}
	if short := in.shortfall(); short.Concerns(number) {
		line.LowerBound = whyShort(short)
	}
	r.Hours = append(r.Hours, line)
	return debit, nil
}

// counted is what the tiers count.
func counted(op *pricebook.Operation, a rating.Accrual) uint64 {
	if op.Basis == pricebook.AllSuccessful {
		return a.Successful
	}
	return a.PayPerUse
}

func (e *Engine) mustNumber(operation string) uint16 {
	n, _ := e.OperationNumber(operation)
	return n
}

// callsOf are an account's calls of an operation in a sealed file, by the
// operation's number there.
func callsOf(file *usage.File, number uint32, operation int) (h rating.Hour) {
	for _, c := range file.Block(ledger.BlockOf(number)) {
		if c.Account != number || int(c.Operation) != operation {
			continue
		}
		c.AddTo(&h)
	}
	return h
}
