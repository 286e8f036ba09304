package meter

import (
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Class is one of the three kinds of search call that have rates of their own.
type Class uint8

const (
	ClassSearch Class = iota
	ClassAdd
	ClassDelete
	classes
)

// Operation is what admission has to know of a priced operation.
type Operation struct {
	Number     uint16 // in the ledger's register of operations, from 1
	Name       string
	Service    string // the part of the name before the slash
	Subscribed bool   // funded by a subscription (002), else pay-per-use (000)
	Class      Class  // of a subscribed operation
	Free       uint64 // calls a month that cost nothing (D10)
	QPS        uint32 // calls in any second of one account, 0 = no limit

	// Price and Currency price pay-per-use calls where charges are judged in
	// real time (D19).
	Price    *pricebook.Operation
	Currency money.Currency
}

// Catalog is the operations of one price book, from the instant it is in force.
type Catalog struct {
	From       int64 // event time, Unix nanoseconds; the start of an hour
	operations []Operation
}

// NewCatalog indexes operations by number.
func NewCatalog(from int64, ops []Operation) *Catalog {
	c := &Catalog{From: from}
	for _, op := range ops {
		for int(op.Number) >= len(c.operations) {
			c.operations = append(c.operations, Operation{})
		}
		c.operations[op.Number] = op
	}
	return c
}

// operation returns nil where the book does not price the operation.
func (c *Catalog) operation(number uint16) *Operation {
	if int(number) >= len(c.operations) || c.operations[number].Number == 0 {
		return nil
	}
	return &c.operations[number]
}

// SetCatalogs names the operations of all price books, in the order in which
// they take force. A period uses the last one that is in force at its start;
// the current period keeps what it has.
func (m *Meter) SetCatalogs(list []*Catalog) {
	m.periodLock.Lock()
	defer m.periodLock.Unlock()
	m.catalogs = list
}

// catalogAt is the catalog in force for a period that begins at an instant.
func (m *Meter) catalogAt(start int64) *Catalog {
	found := &Catalog{}
	for _, c := range m.catalogs {
		if c.From <= start {
			found = c
		}
	}
	return found
}
