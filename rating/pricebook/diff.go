package pricebook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tallygate/tallygate/rating/money"
)

// Force is when a change may take force at the earliest (D35).
type Force uint8

const (
	AnyHour    Force = iota // what exists only since, and all offers
	MonthStart              // tiers and free allowances
	NewLedger               // never in a ledger that has another currency (D7)
)

func (f Force) String() string {
	return [...]string{"from any hour", "from the start of a month", "in a new ledger only"}[f]
}

// Change is one difference of two price books, in words.
type Change struct {
	Where string // "currency", "operation search/add", "package p1", "row s1", "service search"
	Text  string // "price lowered from 24.00 to 23.00 USD"
	Force Force
}

// Changes are all differences of two price books.
type Changes []Change

// Force is when a book with these changes may take force at the earliest: as
// one, so the latest of them decides.
func (c Changes) Force() (latest Force) {
	for _, change := range c {
		latest = max(latest, change.Force)
	}
	return latest
}

// Diff tells what a new book changes: first operations, by name, then packages,
// subscription rows and services, what the old book has before what is added.
// It is empty when nothing of meaning differs, as after a change of comments,
// of order, or of how a number is written. Where the currency differs that is
// the only change, since no price can be compared.
func Diff(old, new *Book) Changes {
	d := diff{old: old, new: new}
	if old.Currency != new.Currency {
		d.say(NewLedger, "currency", "changed from %s to %s, which no price can be compared with", old.Currency, new.Currency)
		return d.changes
	}
	d.operations()
	d.packages()
	d.rows()
	d.services()
	return d.changes
}

type diff struct {
	old, new *Book
	changes  Changes
}

func (d *diff) say(force Force, where, format string, args ...any) {
	d.changes = append(d.changes, Change{where, fmt.Sprintf(format, args...), force})
}

// moved says how a number changed, if it did: "raised from 5 to 10 USD".
func moved[N cmp.Ordered](d *diff, force Force, where, what string, from, to N, text func(N) string, unit string) {
	direction := "raised"
	switch cmp.Compare(from, to) {
	case 0:
		return
	case 1:
		direction = "lowered"
	}
	d.say(force, where, "%s %s from %s to %s%s", what, direction, text(from), text(to), unit)
}

func (d *diff) count(force Force, where, what string, from, to int64) {
	moved(d, force, where, what, from, to, func(n int64) string { return fmt.Sprint(n) }, "")
}

func (d *diff) amount(where string, from, to money.Amount) {
	moved(d, AnyHour, where, "price", from, to, d.new.Currency.Format, " "+d.new.Currency.Code)
}

func (d *diff) operations() {
	for i := range d.old.Operations {
		was := &d.old.Operations[i]
		if is, ok := d.new.Operation(was.Name); ok {
			d.operation("operation "+was.Name, was, is)
		} else {
			d.say(AnyHour, "operation "+was.Name, "removed")
		}
	}
	for i := range d.new.Operations {
		if is := &d.new.Operations[i]; !d.old.has(is.Name) {
			d.say(AnyHour, "operation "+is.Name, "added, %s", d.described(is))
		}
	}
	slices.SortStableFunc(d.changes, func(a, b Change) int { return cmp.Compare(a.Where, b.Where) })
}

func (b *Book) has(operation string) bool {
	_, ok := b.Operation(operation)
	return ok
}

func (d *diff) operation(where string, was, is *Operation) {
	if was.Funding != is.Funding {
		d.say(MonthStart, where, "now %s; until now %s", d.described(is), d.described(was))
		return
	}
	d.count(MonthStart, where, "free calls a month", was.FreePerMonth, is.FreePerMonth)
	if was.Model != is.Model {
		d.say(MonthStart, where, "%s tiers become %s: %s", was.Model, is.Model, modelWords[is.Model])
	}
	if was.Basis != is.Basis {
		d.say(MonthStart, where, "tiers count %s, until now %s", basisWords[is.Basis], basisWords[was.Basis])
	}
	d.tiers(where, was.Tiers, is.Tiers)
	if was.Class != is.Class {
		d.say(AnyHour, where, "limited as %s, until now as %s", is.Class, was.Class)
	}
	switch {
	case was.QPS == 0 && is.QPS != 0:
		d.say(AnyHour, where, "limited to %d calls a second, until now unlimited", is.QPS)
	case was.QPS != 0 && is.QPS == 0:
		d.say(AnyHour, where, "no longer limited to %d calls a second", was.QPS)
	default:
		d.count(AnyHour, where, "calls a second", int64(was.QPS), int64(is.QPS))
	}
}

var (
	modelWords = [...]string{Graduated: "each call has the price of its own tier", Volume: "the tier that a month reaches prices all its calls"}
	basisWords = [...]string{PayPerUseCalls: "the pay-per-use calls", AllSuccessful: "all successful calls"}
)

func (d *diff) tiers(where string, was, is []Tier) {
	sameBounds := slices.EqualFunc(was, is, func(a, b Tier) bool { return a.UpTo == b.UpTo })
	if !sameBounds {
		d.say(MonthStart, where, "tiers re-cut to %s; until now %s", d.listed(is), d.listed(was))
		return
	}
	first := int64(1)
	for i := range is {
		what := "price"
		switch {
		case is[i].UpTo != 0:
			what = fmt.Sprintf("price of tier %d–%d", first, is[i].UpTo)
		case i > 0:
			what = fmt.Sprintf("price of the tier from %d on", first)
		}
		moved(d, MonthStart, where, what, was[i].Price, is[i].Price, d.new.Currency.FormatPrice, " "+d.new.Currency.Code)
		first = is[i].UpTo + 1
	}
}

// described says what an operation costs.
func (d *diff) described(op *Operation) string {
	if op.Funding == Subscribed {
		return "paid for by a subscription, limited as " + op.Class
	}
	text := "paid for per call, " + d.listed(op.Tiers)
	if op.Model != Graduated {
		text += ", " + modelWords[op.Model]
	}
	if op.Basis != PayPerUseCalls {
		text += ", tiers count " + basisWords[op.Basis]
	}
	if op.FreePerMonth != 0 {
		text += fmt.Sprintf(", %d free calls a month", op.FreePerMonth)
	}
	if op.QPS != 0 {
		text += fmt.Sprintf(", limited to %d calls a second", op.QPS)
	}
	return text
}

// listed writes tiers: "0.003 up to 10000, 0.0025 beyond".
func (d *diff) listed(tiers []Tier) string {
	parts := make([]string, len(tiers))
	for i, t := range tiers {
		parts[i] = d.new.Currency.FormatPrice(t.Price)
		switch {
		case t.UpTo != 0:
			parts[i] += fmt.Sprintf(" up to %d", t.UpTo)
		case i > 0:
			parts[i] += " beyond"
		}
	}
	return strings.Join(parts, ", ")
}
