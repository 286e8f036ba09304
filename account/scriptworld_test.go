package account_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// look is how often the accounts are brought up to date.
type look string

const (
	whenTold   look = "when the script says a time"
	everyHour  look = "every hour"
	whenNeeded look = "when needed"
)

// world is what the engine keeps around the accounts: the clock, the books, the
// policy, the open hours. It has no disk and no memory of how it came about.
type world struct {
	look       look
	zone       *time.Location
	now        int64 // Unix seconds
	policy     account.Policy
	floor      int64
	books      []bookFrom
	operations []string // by number
	parties    map[string]*party
	trials     map[string]bool

	noSettlement bool
	noNotices    bool
	refusal      error         // of the last command, until it is expected
	price        *money.Amount // of the last preview
}

type bookFrom struct {
	from int64
	book *pricebook.Book
}

// party is an account and what the ledger and the gateway know of it.
type party struct {
	*account.Account
	used       map[account.Line]uint64           // free and package calls, held ones included
	hours      map[int64]map[account.Line]uint64 // unsettled, by start of the hour
	inFlight   map[account.Line]uint64
	settled    []settledLine
	refused    []refusedCalls
	movements  []account.Movement
	statements []account.StatementRecord
	tierUse    map[uint32]*rating.TierUse // by month

	events                          []account.Event // not expected yet
	linesSeen, debitsSeen, moveSeen int             // how far expectations have come
}

// refusedCalls are calls that the gateway turned away in a month.
type refusedCalls struct {
	month uint32
	account.Line
	calls uint64
}

// settledLine is a line of a settled hour.
type settledLine struct {
	period account.Period
	account.Charge
}

func newWorld(l look) *world {
	w := &world{look: l, zone: time.FixedZone("+08:00", 8*3600), policy: account.DefaultPolicy,
		parties: map[string]*party{}, trials: map[string]bool{}}
	w.now = time.Date(2027, 1, 1, 0, 0, 0, 0, w.zone).Unix()
	return w
}

// loadBook puts a book in force from an instant on.
func (w *world) loadBook(from int64, name string, text []byte) error {
	if text == nil {
		path := filepath.Join("testdata", "books", name+".yaml")
		if name == "shipped" {
			path = "../pricebook.yaml"
		}
		var err error
		if text, err = os.ReadFile(path); err != nil {
			return err
		}
	}
	book, err := pricebook.Parse(name, text)
	if err != nil {
		return err
	}
	for _, op := range book.Operations {
		if !slices.Contains(w.operations, op.Name) {
			w.operations = append(w.operations, op.Name)
		}
	}
	w.books = append(w.books, bookFrom{from, book})
	return nil
}

// bookAt is the book in force at an instant.
func (w *world) bookAt(unix int64) (found *pricebook.Book) {
	for _, b := range w.books {
		if b.from <= unix || found == nil {
			found = b.book
		}
	}
	return found
}

func (w *world) currency() money.Currency { return w.books[0].book.Currency }

func (w *world) operationNumber(name string) (uint16, bool) {
	i := slices.Index(w.operations, name)
	return uint16(i + 1), i >= 0
}

func (w *world) env() account.Env {
	return account.Env{Now: w.now * 1e9, Currency: w.currency(), Zone: w.zone, Books: w.bookAt, Policy: w.policy, Floor: w.floor,
		OperationNumber: w.operationNumber, TrialTaken: func(customer string) bool { return w.trials[customer] }}
}

// sorted are the parties by name, so that every run is the same.
func (w *world) sorted() (list []*party) {
	for _, id := range slices.Sorted(maps.Keys(w.parties)) {
		list = append(list, w.parties[id])
	}
	return list
}

// take notes what came with a change of an account.
func (w *world) take(p *party, f account.Effects) {
	p.movements = append(p.movements, f.Movements...)
	p.statements = append(p.statements, f.Statements...)
	p.events = append(p.events, f.Events...)
	if f.Trial != "" {
		w.trials[f.Trial] = true
	}
}

// lookAt lets everything happen that is due to an account until now.
func (w *world) lookAt(p *party) error {
	w.take(p, p.Advance(w.now, w.env()))
	return p.check()
}

// live lets time pass: hours end and are settled, months are closed.
func (w *world) live(until int64) error {
	for {
		end := rating.HourEnd(w.now, w.zone)
		if end > until {
			break
		}
		w.now = end
		if err := w.hourEnded(); err != nil {
			return err
		}
	}
	w.now = until
	if w.look == whenTold {
		return w.lookAtAll()
	}
	return nil
}

func (w *world) hourEnded() error {
	if !w.noSettlement {
		if err := w.settle(); err != nil {
			return err
		}
	}
	if w.look == everyHour {
		return w.lookAtAll()
	}
	return nil
}

func (w *world) lookAtAll() error {
	for _, p := range w.sorted() {
		if err := w.lookAt(p); err != nil {
			return err
		}
	}
	return nil
}

// settle settles all hours that have ended, in order, and closes the months
// that are settled with them (D13).
func (w *world) settle() error {
	for _, p := range w.sorted() {
		for _, start := range slices.Sorted(maps.Keys(p.hours)) {
			if rating.HourEnd(start, w.zone) > w.now {
				break
			}
			if err := w.close(p, rating.MonthOf(start, w.zone)); err != nil {
				return err
			}
			if err := w.settleHour(p, start); err != nil {
				return err
			}
		}
		if err := w.close(p, rating.MonthOf(w.now, w.zone)); err != nil {
			return err
		}
	}
	return nil
}

// close closes the months before one.
func (w *world) close(p *party, month rating.Month) error {
	if len(p.Months) == 0 || p.Months[0].Month >= uint32(month) {
		return nil
	}
	start, _ := rating.MonthBounds(month, w.zone)
	e := w.env()
	w.take(p, p.Advance(start-1, e))
	effects, err := p.CloseMonths(uint32(month), start)
	w.take(p, effects)
	return err
}

func (w *world) settleHour(p *party, start int64) error {
	period := account.Period{Start: start, End: rating.HourEnd(start, w.zone), Month: uint32(rating.MonthOf(start, w.zone))}
	var counts []account.Count
	for line, calls := range p.hours[start] {
		counts = append(counts, account.Count{Line: line, Calls: calls})
	}
	slices.SortFunc(counts, func(a, b account.Count) int { return a.Line.Compare(b.Line) })
	delete(p.hours, start)
	next := p.Clone()
	charges, effects, err := next.Settle(period, counts, w.rates(start), w.env())
	if err != nil {
		return err
	}
	p.Account = next
	w.take(p, effects)
	for _, c := range charges {
		p.settled = append(p.settled, settledLine{period, c})
	}
	if err := w.explain(p, period, counts); err != nil {
		return err
	}
	return p.check()
}

// rates prices the operations of an hour.
func (w *world) rates(start int64) account.Rates {
	return func(number uint16) (*pricebook.Operation, bool) {
		return w.bookAt(start).Operation(w.operations[number-1])
	}
}

// explain keeps what a statement needs of operations whose tiers count all
// successful calls (D9).
func (w *world) explain(p *party, period account.Period, counts []account.Count) error {
	hours := map[uint16]rating.Hour{}
	for _, c := range counts {
		h := hours[c.Operation]
		switch c.Kind {
		case account.Free:
			h.Free += c.Calls
		case account.Package:
			h.Package += c.Calls
		case account.PayPerUse:
			h.PayPerUse += c.Calls
		}
		hours[c.Operation] = h
	}
	use := p.tierUse[period.Month]
	if use == nil {
		use = &rating.TierUse{}
		p.tierUse[period.Month] = use
	}
	for number, h := range hours {
		if op, ok := w.rates(period.Start)(number); ok && op.Funding == pricebook.PayPerUse {
			if err := use.Add(op, h); err != nil {
				return err
			}
		}
	}
	return nil
}

// freeUsed are the settled free calls of an operation in a month.
func (p *party) freeUsed(u account.OperationUsage) (calls uint64) {
	for _, s := range p.settled {
		if s.Operation == u.Operation && s.Kind == account.Free && s.Ref == u.Month && s.period.Month == u.Month {
			calls += s.Calls
		}
	}
	return calls
}

// check proves that the balance is what was moved, that it is the closed and
// the open months, that free calls are on record, and that events and movements
// are numbered without gaps.
func (p *party) check() error {
	var moved, months money.Amount
	for i, m := range p.movements {
		moved += m.Amount
		if m.Number != uint32(i+1) {
			return fmt.Errorf("movement %d has number %d", i+1, m.Number)
		}
	}
	for _, s := range p.settled {
		moved -= s.Amount
	}
	for _, m := range p.Months {
		months += m.Sum
	}
	if p.Balance != moved || p.Balance != p.Closed+months {
		return fmt.Errorf("%s: the balance is %d, its movements come to %d, its months to %d", p.ID, p.Balance, moved, p.Closed+months)
	}
	for _, u := range p.Usage {
		if free := p.freeUsed(u); u.Free != free {
			return fmt.Errorf("%s: %d free calls of operation %d are on record for %d, %d were settled", p.ID, u.Free, u.Operation, u.Month, free)
		}
	}
	for i := range p.events {
		if first := p.events[0].Number; p.events[i].Number != first+uint32(i) {
			return fmt.Errorf("%s: event %d follows %d", p.ID, p.events[i].Number, first)
		}
	}
	return nil
}

// end refuses what happened unseen.
func (w *world) end() error {
	if w.refusal != nil {
		return fmt.Errorf("refused, and not expected: %w", w.refusal)
	}
	for _, p := range w.sorted() {
		if err := w.lookAt(p); err != nil {
			return err
		}
		if got := w.showEvents(p); len(got) > 0 {
			return fmt.Errorf("events of %s that nobody expected:\n\t%s", p.ID, strings.Join(got, "\n\t"))
		}
	}
	return nil
}
