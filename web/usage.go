package web

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Usage is what an account used this month so far. Calls that are counted and
// not settled yet are priced as the next settlement will (D34).
type Usage struct {
	Account      string          `json:"account"`
	Month        rating.Month    `json:"month" example:"2026-11"`
	AsOf         time.Time       `json:"as_of"`
	SettledUntil time.Time       `json:"settled_until,omitzero"`
	Currency     string          `json:"currency"`
	Lines        []UsageLine     `json:"lines"`
	Debited      string          `json:"debited" doc:"By the month's settlements"`
	Unsettled    string          `json:"unsettled" doc:"What the open calls will cost"`
	Balance      string          `json:"balance" doc:"Before the open calls are debited"`
	NotBilled    []NotBilledLine `json:"not_billed"`
}

// UsageLine is what one thing paid for.
type UsageLine struct {
	Operation string `json:"operation"`
	Funding   string `json:"funding" example:"payg"`
	Settled   uint64 `json:"settled"`
	Open      uint64 `json:"open" doc:"Counted and not settled yet"`
	Debited   string `json:"debited"`
	Unsettled string `json:"unsettled"`
}

// NotBilledLine counts calls that cost nothing because they were refused or did not
// succeed (D5).
type NotBilledLine struct {
	Operation string `json:"operation"`
	Reason    string `json:"reason" example:"failed-status"`
	Settled   uint64 `json:"settled"`
	Open      uint64 `json:"open"`
}

func (h *handlers) usage(_ context.Context, in *struct{ OnAccount }) (*body[Usage], error) {
	e := h.gateway.Engine()
	for {
		settled := e.Meta().Settled
		now := h.gateway.Now()
		month := h.openMonth(now)
		s, err := e.Statement(in.Account, month)
		if err != nil {
			return nil, err
		}
		start, _ := rating.MonthBounds(month, e.Zone)
		a, open, err := h.snapshot(in.Account, start)
		if err != nil {
			return nil, err
		}
		if e.Meta().Settled != settled {
			continue
		}
		u := Usage{Account: a.ID, Month: s.Month, AsOf: now.In(e.Zone), SettledUntil: h.at(e.SettledUntil()),
			Currency: e.Currency.Code, Debited: s.Usage, Balance: e.Currency.Format(a.Balance),
			Lines: []UsageLine{}, NotBilled: []NotBilledLine{}}
		u.addSettled(s, e.Currency.Format(0))
		err = h.addOpen(&u, a, open)
		return &body[Usage]{u}, err
	}
}

func (u *Usage) addSettled(s rating.Statement, nothing string) {
	for _, l := range s.Lines {
		u.Lines = append(u.Lines, UsageLine{Operation: l.Operation, Funding: l.Funding, Settled: uint64(l.Calls),
			Debited: l.Amount, Unsettled: nothing})
	}
	for _, n := range s.NotBilled {
		u.notBilled(n.Operation, n.Reason).Settled += n.Calls
	}
}

// addOpen adds what is not settled yet, priced by the settlement itself.
func (h *handlers) addOpen(u *Usage, a *account.Account, open map[account.Line]uint64) error {
	e := h.gateway.Engine()
	var counts []account.Count
	for line, calls := range open {
		counts = append(counts, account.Count{Line: line, Calls: calls})
		operation := e.OperationName(line.Operation)
		if line.Kind.Billed() {
			u.line(operation, line.Funding(), e.Currency.Format(0)).Open += calls
		} else {
			u.notBilled(operation, reason(line)).Open += calls
		}
	}
	slices.SortFunc(counts, func(a, b account.Count) int { return a.Compare(b.Line) })
	start, _ := rating.MonthBounds(u.Month, e.Zone)
	period := account.Period{Start: start, End: u.AsOf.Unix(), Month: uint32(u.Month)}
	charges, _, err := a.Clone().Settle(period, counts, h.rates, e.Env())
	if err != nil {
		return fmt.Errorf("pricing what is not settled: %w", err)
	}
	var total money.Amount
	for _, c := range charges {
		if c.Amount == 0 {
			continue
		}
		if total, err = total.Add(c.Amount); err != nil {
			return err
		}
		u.line(e.OperationName(c.Operation), c.Funding(), e.Currency.Format(0)).Unsettled = e.Currency.Format(c.Amount)
	}
	u.Unsettled = e.Currency.Format(total)
	slices.SortFunc(u.Lines, func(a, b UsageLine) int {
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), compareFunding(a.Funding, b.Funding))
	})
	slices.SortFunc(u.NotBilled, func(a, b NotBilledLine) int {
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Reason, b.Reason))
	})
	return nil
}

// rates finds an operation in the newest book in force that has it, as the
// settlement does.
func (h *handlers) rates(number uint16) (found *pricebook.Operation, ok bool) {
	name, now := h.gateway.Engine().OperationName(number), h.gateway.Now().Unix()
	h.gateway.Engine().EachBook(func(from int64, b *pricebook.Book) {
		if op, has := b.Operation(name); has && op.Funding == pricebook.PayPerUse && from <= now {
			found, ok = op, true
		}
	})
	return found, ok
}

func (u *Usage) line(operation, funding, nothing string) *UsageLine {
	i := slices.IndexFunc(u.Lines, func(l UsageLine) bool { return l.Operation == operation && l.Funding == funding })
	if i < 0 {
		i = len(u.Lines)
		u.Lines = append(u.Lines, UsageLine{Operation: operation, Funding: funding, Debited: nothing, Unsettled: nothing})
	}
	return &u.Lines[i]
}

func (u *Usage) notBilled(operation, reason string) *NotBilledLine {
	i := slices.IndexFunc(u.NotBilled, func(n NotBilledLine) bool { return n.Operation == operation && n.Reason == reason })
	if i < 0 {
		i = len(u.NotBilled)
		u.NotBilled = append(u.NotBilled, NotBilledLine{Operation: operation, Reason: reason})
	}
	return &u.NotBilled[i]
}

// reason is as statements name it.
func reason(l account.Line) string {
	if l.Observed {
		return l.Kind.String() + " (observed)"
	}
	return l.Kind.String()
}

// compareFunding is the order in which calls are paid (D11), and 3 before 10.
func compareFunding(a, b string) int {
	rank := func(funding string) int {
		kind, _, _ := strings.Cut(funding, ":")
		return slices.Index([]string{rating.FundingFree, rating.FundingPackage, rating.FundingPayPerUse, rating.FundingSubscription}, kind)
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
