package billing

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// bookInForce is a price book and the instant (Unix seconds) from which it
// holds, until the next one does (D35).
type bookInForce struct {
	Input     uint64
	From      int64
	Scheduled bool
	Book      *pricebook.Book
}

// SetPriceBook makes the book that the configuration names the newest one,
// unless it named it before: a configuration that was not edited does not undo
// what was scheduled since. Nor does one that names the book that is in force, or
// one that was scheduled. The first book of a ledger holds from the beginning; a
// later one from the next hour, or from the next month if it changes tiers or
// free allowances (D35). It returns the instant from which the book holds, in
// Unix seconds.
func (e *Engine) SetPriceBook(b *pricebook.Book) (from int64, err error) {
	e.bookLock.Lock()
	defer e.bookLock.Unlock()
	if err := e.registerOperations(b); err != nil {
		return 0, err
	}
	if known := e.lastNamed(b.Hash); known != nil && e.Meta().Configured == b.Hash {
		return known.From, nil
	}
	if known := e.standing(b.Hash); known != nil {
		return known.From, e.append(inputPriceBook, priceBookInput{Hash: b.Hash, From: known.From, Configured: true})
	}
	from = e.bookStart(b, 0)
	return from, e.append(inputPriceBook, priceBookInput{Hash: b.Hash, From: from, Source: string(b.Source), Configured: true})
}

// ErrSchedule: a price book cannot take force when it was asked to.
var ErrSchedule = errors.New("the price book cannot take force then")

// scheduleAhead is how far ahead a book may be scheduled, in seconds. No other can
// take force before it, so that a mistyped year would fix all prices until then.
const scheduleAhead = 366 * 24 * 3600

// SchedulePriceBook lets a book take force at an instant (Unix seconds) that
// lies ahead: the start of an hour, and of a month if it changes tiers or free
// allowances (D35).
func (e *Engine) SchedulePriceBook(b *pricebook.Book, from int64) error {
	e.bookLock.Lock()
	defer e.bookLock.Unlock()
	if b.Currency != e.Currency {
		return fmt.Errorf("%w: its currency is %s and the ledger's is %s", ErrSchedule, b.Currency, e.Currency)
	}
	if latest := e.instant()/int64(time.Second) + scheduleAhead; from > latest {
		return fmt.Errorf("%w: it lies more than a year ahead, and a book that is scheduled cannot be taken back: %s at the latest", ErrSchedule,
			time.Unix(latest, 0).In(e.Zone).Format(time.DateOnly))
	}
	earliest := e.bookStart(b, from)
	if from != earliest {
		return fmt.Errorf("%w: the first instant from %s on that rules and books allow is %s", ErrSchedule,
			time.Unix(from, 0).In(e.Zone).Format(time.RFC3339), time.Unix(earliest, 0).In(e.Zone).Format(time.RFC3339))
	}
	if err := e.writable(); err != nil {
		return err
	}
	if err := e.registerOperations(b); err != nil {
		return err
	}
	if err := e.append(inputPriceBook, priceBookInput{Hash: b.Hash, From: from, Source: string(b.Source)}); err != nil {
		return err
	}
	if e.Watcher != nil {
		e.Watcher.BookScheduled()
	}
	return nil
}

// lastNamed finds the newest book with a hash.
func (e *Engine) lastNamed(hash string) *bookInForce {
	for _, b := range slices.Backward(e.booksSince(math.MinInt64)) {
		if b.Book.Hash == hash {
			return &b
		}
	}
	return nil
}

// standing finds a book that is in force or ahead, unless the configuration
// named another one after it.
func (e *Engine) standing(hash string) *bookInForce {
	for _, b := range slices.Backward(e.booksSince(e.instant() / int64(time.Second))) {
		if b.Book.Hash == hash {
			return &b
		}
		if !b.Scheduled {
			return nil
		}
	}
	return nil
}

func (e *Engine) latestBook() *bookInForce {
	e.metaLock.RLock()
	defer e.metaLock.RUnlock()
	if len(e.books) == 0 {
		return nil
	}
	return &e.books[len(e.books)-1]
}

// bookStart is the first permitted start of a book at or after an instant.
func (e *Engine) bookStart(b *pricebook.Book, earliest int64) int64 {
	latest := e.latestBook()
	if latest == nil {
		return 0
	}
	now := e.instant() / int64(time.Second)
	start := rating.HourEnd(now, e.Zone)
	if earliest = max(earliest, latest.From); earliest > start {
		start = rating.HourEnd(earliest-1, e.Zone)
	}
	monthStart, monthEnd := rating.MonthBounds(rating.MonthOf(start, e.Zone), e.Zone)
	if start == monthStart {
		return start
	}
	for _, known := range e.booksSince(monthStart) {
		if !pricebook.SameRates(known.Book, b) {
			start = monthEnd
		}
	}
	if e.returnsOtherwise(b, monthStart) {
		start = monthEnd
	}
	return start
}

// returnsOtherwise reports whether an operation that an older book had comes back
// with other rates: a late call may have been priced by the old ones since an
// instant (D6).
func (e *Engine) returnsOtherwise(b *pricebook.Book, since int64) bool {
	rates := e.rates(since)
	for i := range b.Operations {
		op := &b.Operations[i]
		number, known := e.OperationNumber(op.Name)
		if !known || op.Funding != pricebook.PayPerUse {
			continue
		}
		was, ok := rates(number)
		if ok && !pricebook.SameRates(&pricebook.Book{Currency: b.Currency, Operations: []pricebook.Operation{*was}}, b) {
			return true
		}
	}
	return false
}

// booksSince are the books that are in force at an instant or later. An
// operation may be in an older one of them and not in the newest.
func (e *Engine) booksSince(unix int64) []bookInForce {
	e.metaLock.RLock()
	defer e.metaLock.RUnlock()
	first := 0
	for i, b := range e.books {
		if b.From <= unix {
			first = i
		}
	}
	return e.books[first:]
}

// registerOperations gives numbers to the operations that have none.
func (e *Engine) registerOperations(b *pricebook.Book) error {
	var names []string
	for _, op := range b.Operations {
		if _, ok := e.OperationNumber(op.Name); !ok {
			names = append(names, op.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return e.append(inputOperations, operationsInput{Names: names})
}

// OperationNumber finds an operation in the ledger's register.
func (e *Engine) OperationNumber(name string) (uint16, bool) {
	i := slices.Index(e.Meta().Operations, name)
	return uint16(max(i, 0)), i > 0
}

// OperationName is the inverse of OperationNumber; "" for none.
func (e *Engine) OperationName(number uint16) string {
	if ops := e.Meta().Operations; int(number) < len(ops) {
		return ops[number]
	}
	return ""
}

// BookAt is the price book in force at an instant (Unix seconds), nil before
// the first.
func (e *Engine) BookAt(unix int64) *pricebook.Book {
	e.metaLock.RLock()
	defer e.metaLock.RUnlock()
	var found *pricebook.Book
	for _, b := range e.books {
		if b.From <= unix {
			found = b.Book
		}
	}
	return found
}

// EachBook calls f with every book in the order in which they take force.
func (e *Engine) EachBook(f func(from int64, b *pricebook.Book)) {
	e.metaLock.RLock()
	books := e.books
	e.metaLock.RUnlock()
	for _, b := range books {
		f(b.From, b.Book)
	}
}

// rates prices the pay-per-use operations of a period. One that the book of the
// period lacks is priced by the latest book that had it: a call may outlive the
// book it was admitted under (D6).
func (e *Engine) rates(start int64) account.Rates {
	return func(number uint16) (*pricebook.Operation, bool) {
		op, _ := e.priced(e.OperationName(number), start)
		return op, op != nil
	}
}

// askedOnce asks once for each operation: many accounts use the same few.
func askedOnce(rates account.Rates) account.Rates {
	type answer struct {
		op *pricebook.Operation
		ok bool
	}
	answers := map[uint16]answer{}
	return func(number uint16) (*pricebook.Operation, bool) {
		a, asked := answers[number]
		if !asked {
			a.op, a.ok = rates(number)
			answers[number] = a
		}
		return a.op, a.ok
	}
}

// priced finds the rates of a pay-per-use operation and the book that has them,
// nil where there are none.
func (e *Engine) priced(name string, at int64) (*pricebook.Operation, *pricebook.Book) {
	e.metaLock.RLock()
	defer e.metaLock.RUnlock()
	for _, b := range slices.Backward(e.books) {
		if b.From <= at {
			if op, ok := b.Book.Operation(name); ok && op.Funding == pricebook.PayPerUse {
				return op, b.Book
			}
		}
	}
	return nil, nil
}

// SetPolicy records how long grace and retention last from now on (D20).
func (e *Engine) SetPolicy(p account.Policy) error {
	if e.Meta().Policy == p {
		return nil
	}
	return e.append(inputPolicy, policyInputOf(p))
}
