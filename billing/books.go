package billing

import (
	"slices"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// bookInForce is a price book and the instant (Unix seconds) from which it
// holds, until the next one does (D35).
type bookInForce struct {
	Input uint64
	From  int64
	Book  *pricebook.Book
}

// SetPriceBook makes a book the newest one, unless it already is. The first
// book of a ledger holds from the beginning; a later one from the next hour, or
// from the next month if it changes tiers or free allowances (D35). It returns
// the instant from which the book holds, in Unix seconds.
func (e *Engine) SetPriceBook(b *pricebook.Book) (from int64, err error) {
	if latest := e.latestBook(); latest != nil && latest.Book.Hash == b.Hash {
		return latest.From, e.registerOperations(b)
	}
	if err := e.registerOperations(b); err != nil {
		return 0, err
	}
	from = e.bookStart(b)
	return from, e.append(inputPriceBook, priceBookInput{Hash: b.Hash, From: from, Source: string(b.Source)})
}

func (e *Engine) latestBook() *bookInForce {
	e.metaLock.RLock()
	defer e.metaLock.RUnlock()
	if len(e.books) == 0 {
		return nil
	}
	return &e.books[len(e.books)-1]
}

func (e *Engine) bookStart(b *pricebook.Book) int64 {
	latest := e.latestBook()
	if latest == nil {
		return 0
	}
	now := e.Now() / int64(time.Second)
	start := rating.HourEnd(now, e.Zone)
	monthStart, monthEnd := rating.MonthBounds(rating.MonthOf(now, e.Zone), e.Zone)
	for _, known := range e.booksSince(monthStart) {
		if !pricebook.SameRates(known.Book, b) {
			start = monthEnd
		}
	}
	return max(start, latest.From)
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
		name := e.OperationName(number)
		e.metaLock.RLock()
		defer e.metaLock.RUnlock()
		for _, b := range slices.Backward(e.books) {
			if b.From <= start {
				if op, ok := b.Book.Operation(name); ok && op.Funding == pricebook.PayPerUse {
					return op, true
				}
			}
		}
		return nil, false
	}
}

// SetPolicy records how long grace and retention last from now on (D20).
func (e *Engine) SetPolicy(p account.Policy) error {
	if e.Meta().Policy == p {
		return nil
	}
	return e.append(inputPolicy, policyInput{Grace: p.Grace, Retention: p.Retention})
}
