package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/pricebook"
)

func (h *handlers) registerPriceBooks() {
	register(h, get("get-price-book", "/pricebook", "Show the price book in force, and those that are scheduled"), h.priceBook)
	diff := post("diff-price-book", "/pricebook/diff", "Show what a price book would change of the one in force")
	diff.DefaultStatus, diff.MaxBodyBytes = http.StatusOK, bookBodyMax
	register(h, diff, h.diffPriceBook)
	schedule := post("schedule-price-book", "/pricebook/schedule", "Let a price book take force later")
	schedule.Description = "Tiers and free allowances change at the start of a month only, all else at any hour (D35)."
	schedule.MaxBodyBytes = bookBodyMax
	register(h, schedule, h.schedulePriceBook)
}

// bookBodyMax has room for a price book of the largest size, written as JSON.
const bookBodyMax = 4 << 20

// PriceBookSource is the text of a price book's file.
type PriceBookSource struct {
	Source string `json:"source" doc:"YAML, as in the file"`
}

// PriceChanges are all differences to the book that is the newest (D35).
type PriceChanges struct {
	From     string        `json:"from" doc:"Hash of the book in force"`
	To       string        `json:"to" doc:"Hash of the given one"`
	Changes  []PriceChange `json:"changes"`
	Force    string        `json:"force" doc:"When a book with these changes may take force, in words"`
	Earliest time.Time     `json:"earliest,omitzero" doc:"The first instant at which this ledger would let it; absent: never"`
}

// PriceChange is one difference, in words.
type PriceChange struct {
	Where string `json:"where" example:"package image-tagging-10k-1y"`
	Text  string `json:"text" example:"price lowered from 24.00 to 23.00 USD"`
	Force string `json:"force" example:"from any hour"`
}

// ChangesOf shows the differences of two books.
func ChangesOf(from, to *pricebook.Book) PriceChanges {
	changes := pricebook.Diff(from, to)
	v := PriceChanges{From: from.Hash, To: to.Hash, Changes: []PriceChange{}, Force: changes.Force().String()}
	for _, c := range changes {
		v.Changes = append(v.Changes, PriceChange{c.Where, c.Text, c.Force.String()})
	}
	return v
}

func (h *handlers) diffPriceBook(_ context.Context, in *struct{ Body PriceBookSource }) (*body[PriceChanges], error) {
	b, err := parseBook(in.Body.Source)
	if err != nil {
		return nil, err
	}
	v, err := h.changes(b)
	return &body[PriceChanges]{v}, err
}

func (h *handlers) changes(b *pricebook.Book) (PriceChanges, error) {
	e := h.gateway.Engine()
	current := e.BookAt(h.gateway.Now().Unix())
	if current == nil {
		return PriceChanges{}, errNoBook()
	}
	v := ChangesOf(current, b)
	if b.Currency == e.Currency {
		v.Earliest = h.at(e.EarliestStart(b))
	}
	return v, nil
}

// parseBook refuses a book with all its findings, each with its place.
func parseBook(source string) (*pricebook.Book, error) {
	const file = "source"
	b, err := pricebook.Parse(file, []byte(source))
	var findings pricebook.Findings
	if !errors.As(err, &findings) {
		return b, err
	}
	p := newProblem(http.StatusUnprocessableEntity, "")
	for _, f := range findings {
		p.Errors = append(p.Errors, FieldError{Field: file, Line: f.Line, Column: f.Column, Detail: f.Text})
	}
	p.Field, p.Detail = file, findings.Error()
	return nil, p
}

// NewPrices is a price book and when it is to take force.
type NewPrices struct {
	PriceBookSource
	From string `json:"from" example:"2027-01" doc:"An instant (RFC 3339), or a month for its start"`
}

// ScheduledPrices say what takes force.
type ScheduledPrices struct {
	UpcomingPrices
	Changes []PriceChange `json:"changes" doc:"Of the book in force now"`
}

func (h *handlers) schedulePriceBook(_ context.Context, in *struct{ Body NewPrices }) (*body[ScheduledPrices], error) {
	b, err := parseBook(in.Body.Source)
	if err != nil {
		return nil, err
	}
	from, err := h.startOf(in.Body.From)
	if err != nil {
		return nil, err
	}
	v, err := h.changes(b)
	if err != nil {
		return nil, err
	}
	if !h.scheduled(b.Hash, from) { // to ask again does no harm
		if err := h.gateway.Engine().SchedulePriceBook(b, from); err != nil {
			return nil, err
		}
	}
	return &body[ScheduledPrices]{ScheduledPrices{UpcomingPrices{b.Hash, h.at(from)}, v.Changes}}, nil
}

// startOf reads an instant, or a month.
func (h *handlers) startOf(text string) (unix int64, err error) {
	if month, err := rating.ParseMonth(text); err == nil {
		start, _ := rating.MonthBounds(month, h.gateway.Engine().Zone)
		return start, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.After(latest) {
		return 0, invalid("from", `write an instant such as "2027-01-01T00:00:00+08:00", or a month such as "2027-01"`)
	}
	if at.Nanosecond() != 0 {
		return 0, invalid("from", "must be a whole second, the start of an hour")
	}
	return at.Unix(), nil
}

// scheduled reports whether a book is already what takes force at an instant
// that lies ahead.
func (h *handlers) scheduled(hash string, from int64) (is bool) {
	h.gateway.Engine().EachBook(func(at int64, b *pricebook.Book) {
		if at == from && at > h.gateway.Now().Unix() {
			is = b.Hash == hash
		}
	})
	return is
}
