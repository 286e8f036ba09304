package account

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// TestMain checks each property 10,000 times, unless -rapid.checks says otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "10000"); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(m.Run())
}

const lifeBook = `currency: USD
pay_per_use:
  - operations: [r/graduated]
    free_per_month: 3
    qps: 2
    tiers: [{up_to: 20, price: 0.0151}, {up_to: 60, price: 1.9}, {price: 0.0033}]
  - operations: [r/volume]
    free_per_month: 5
    model: volume
    tiers: [{up_to: 30, price: 0.5}, {price: 0.01}]
  - operations: [r/all-graduated]
    free_per_month: 2
    tier_basis: all_successful
    tiers: [{up_to: 10, price: 0.3}, {up_to: 40, price: 0.105}, {price: 2}]
  - operations: [r/all-volume]
    model: volume
    tier_basis: all_successful
    tiers: [{up_to: 15, price: 0.105}, {up_to: 50, price: 1.5}, {price: 0.2}]
packages:
  - {id: tiny, operation: r/graduated, calls: 10, valid: 1mo, price: 1.00}
  - {id: month, operation: r/graduated, calls: 30, valid: 1mo, price: 9.00}
  - {id: year, operation: r/all-graduated, calls: 25, valid: 1y, price: 12.00}
  - {id: volume, operation: r/all-volume, calls: 20, valid: 2mo, price: 7.00}
subscriptions:
  - service: search
    operations: {search/search: search, search/add: add, search/delete: delete}
    delete_qps: 20
    rows:
      - {id: s1, images: 100, qps: 1, price: 300.00, trial: true}
      - {id: s2, images: 2_000, qps: 5, price: 800.01}
      - {id: s3, images: 2_000, qps: 10, price: 1500.00}
`

var (
	lifeZone  = time.FixedZone("+08:00", 8*3600)
	lifeRates = mustParse(lifeBook)
	// Offers change at any hour (D35): dearer, and not as long.
	lifeOffers = mustParse(strings.NewReplacer("price: 1.00", "price: 1.50", "2mo", "3mo", "800.01", "799.00").Replace(lifeBook))
	lifeOps    = []string{"", "r/graduated", "r/volume", "r/all-graduated", "r/all-volume"}
)

func mustParse(text string) *pricebook.Book {
	book, err := pricebook.Parse("book.yaml", []byte(text))
	if err != nil {
		panic(err)
	}
	return book
}

// step is one input of a life.
type step struct {
	at      int64
	command Command   // one of these, …
	calls   []uint64  // … of each operation, in the hour that ended last, …
	down    int64     // … a start after so many seconds, …
	policy  *Policy   // … a new policy, …
	closing bool      // … the end of a month
	looks   []float64 // where in the time before it somebody looks
}

// life is an account and what came of it.
type life struct {
	*Account
	env        Env
	movements  []Movement
	events     []Event
	statements []StatementRecord
	debits     money.Amount
	refused    *Error
	early      bool                  // something was released too soon after a start
	look       func(*life, int64)    // somebody looks at an instant
	each       func(*life, *Account) // after each step, with the account before it
}

var lifeStart = time.Date(2027, 1, 30, 22, 59, 50, 0, lifeZone).Unix()

func newLife(p Policy) *life {
	number := func(name string) (uint16, bool) {
		for i, op := range lifeOps {
			if op == name {
				return uint16(i), true
			}
		}
		return 0, false
	}
	l := &life{Account: &Account{Number: 1, ID: "acme", Customer: "acme", Created: lifeStart, Seen: lifeStart},
		look: func(*life, int64) {}, each: func(*life, *Account) {}}
	l.env = Env{Currency: lifeRates.Currency, Zone: lifeZone, Policy: p, OperationNumber: number,
		Books: lifeBooks, TrialTaken: func(string) bool { return l.InstancesIn > 0 }}
	return l
}

func lifeBooks(unix int64) *pricebook.Book {
	if unix >= lifeStart+20*day {
		return lifeOffers
	}
	return lifeRates
}

func (l *life) take(f Effects) {
	l.movements = append(l.movements, f.Movements...)
	l.events = append(l.events, f.Events...)
	for _, e := range f.Events {
		l.early = l.early || e.Kind.Release() && e.At < l.env.Floor
	}
	l.statements = append(l.statements, f.Statements...)
}

func (l *life) advance(until int64) {
	next := l.Clone()
	l.take(next.Advance(until, l.env))
	l.Account = next
}

// live goes through the steps. Nobody looks beyond a period that is still to be
// settled: the order at its end would be another (D13).
func (l *life) live(steps []step) {
	before := lifeStart
	for i, s := range steps {
		until := s.until()
		for _, later := range steps[i:] {
			until = min(until, later.until())
		}
		for _, part := range s.looks {
			if until < before {
				break
			}
			l.look(l, before+int64(part*float64(until-before)))
		}
		old := l.Account
		l.step(s)
		l.each(l, old)
		before = s.at
	}
}

// until is up to where the time before the step has passed.
func (s step) until() int64 {
	switch {
	case s.calls != nil, s.closing:
		return rating.HourStart(s.at, lifeZone) - 1
	case s.down != 0:
		return s.at - s.down
	}
	return s.at
}

func (l *life) step(s step) {
	l.refused = nil
	switch {
	case s.command != nil:
		l.do(s)
	case s.calls != nil:
		l.settle(s)
	case s.closing:
		l.advance(s.until())
		next, month := l.Clone(), rating.MonthOf(rating.HourStart(s.at, lifeZone)-1, lifeZone)
		start, _ := rating.MonthBounds(month, lifeZone)
		effects, err := next.CloseMonths(uint32(month), start)
		if err != nil {
			panic(err)
		}
		l.take(effects)
		l.Account = next
	case s.policy != nil:
		l.advance(s.at)
		l.env.Policy = *s.policy
	default:
		l.advance(s.until())
		l.env.Floor = s.at + RestartGrace
	}
}

func (l *life) do(s step) {
	next := l.Clone()
	effects, err := Do(next, s.command, l.env.at(s.at))
	if err != nil {
		if !errors.As(err, &l.refused) {
			panic(err)
		}
		return
	}
	l.take(effects)
	l.Account = next
}

func (l *life) settle(s step) {
	end := rating.HourStart(s.at, lifeZone)
	start := rating.HourStart(end-1, lifeZone)
	p := Period{Start: start, End: end, Month: uint32(rating.MonthOf(start, lifeZone))}
	next := l.Clone()
	charged := next.Clone()
	charged.Advance(end-1, l.env)
	charges, effects, err := next.Settle(p, charged.counts(p, s.calls, l.rates), l.rates, l.env.at(end))
	if err != nil {
		panic(err)
	}
	for _, c := range charges {
		l.debits += c.Amount
	}
	l.take(effects)
	l.Account = next
}

func (l *life) rates(n uint16) (*pricebook.Operation, bool) { return lifeRates.Operation(lifeOps[n]) }

// counts funds the calls of a period, as admission does (D11, D21).
func (a *Account) counts(p Period, calls []uint64, rates Rates) (counts []Count) {
	for n, calls := range calls {
		op, _ := rates(uint16(n + 1))
		take := func(kind Kind, ref uint32, most uint64) {
			if took := min(calls, most); took > 0 {
				counts = append(counts, Count{Line{Account: 1, Operation: uint16(n + 1), Kind: kind, Ref: ref}, took})
				calls -= took
			}
		}
		if a.Arrears == 0 {
			used := uint64(0)
			for _, u := range a.Usage {
				if u.Operation == uint16(n+1) && u.Month >= p.Month {
					used = u.Free
				}
			}
			take(Free, p.Month, max(uint64(op.FreePerMonth), used)-used)
		}
		for _, b := range a.Packages {
			if b.Operation == uint16(n+1) && b.Start < p.End && p.Start < b.End && b.Bought < p.End {
				take(Package, b.Number, b.Quota-b.Used)
			}
		}
		if a.Arrears == 0 {
			take(PayPerUse, 0, calls)
		}
	}
	return counts
}

var genPolicy = rapid.Custom(func(t *rapid.T) Policy {
	length := rapid.SampledFrom([]int64{0, 3600, day, 8 * day, 15 * day})
	return Policy{Law: Law{Grace: length.Draw(t, "grace"), Retention: length.Draw(t, "retention")},
		EndOfDay: rapid.Bool().Draw(t, "end of day"), Purchases: 1}
})

// genSteps draws a life: it is rich or poor, and things often come together.
func genSteps(t *rapid.T, most int) []step {
	gap := rapid.SampledFrom([]int64{0, 0, 0, 1, 10, 1800, 3600, day, 10 * day, 17 * day, 30 * day})
	at := lifeStart
	steps := []step{{at: at, command: &TopUp{Amount: rapid.SampledFrom([]string{"0.01", "20.00", "5000.00"}).Draw(t, "money"), Reference: "r"}}}
	for range rapid.IntRange(1, most).Draw(t, "steps") {
		before := at
		at += gap.Draw(t, "gap")
		s := step{at: at, looks: rapid.SliceOfN(rapid.Float64Range(0, 1), 0, 3).Draw(t, "looks")}
		switch kind := rapid.IntRange(0, 99).Draw(t, "kind"); {
		case kind < 65:
			s.command = genCommand.Draw(t, "command")
		case kind < 88:
			s.calls = rapid.SliceOfN(rapid.Uint64Range(0, 25), 4, 4).Draw(t, "calls")
		case kind < 91:
			s.closing = true
		case kind < 95:
			p := genPolicy.Draw(t, "policy")
			s.policy = &p
		case at > before:
			s.down = rapid.Int64Range(1, at-before).Draw(t, "down")
		default:
			continue
		}
		steps = append(steps, s)
	}
	return steps
}

var genCommand = rapid.Custom(func(t *rapid.T) Command {
	instance := rapid.SampledFrom([]string{"shop", "test"}).Draw(t, "instance")
	row := rapid.SampledFrom([]string{"s1", "s2", "s3"}).Draw(t, "row")
	months := rapid.IntRange(1, 3).Draw(t, "months")
	number := rapid.Uint32Range(1, 4).Draw(t, "number")
	amount := rapid.SampledFrom([]string{"0.01", "3.00", "50.00", "2500.00"}).Draw(t, "amount")
	flag := rapid.Bool().Draw(t, "flag")
	switch rapid.IntRange(0, 13).Draw(t, "command") {
	case 0, 1:
		return &TopUp{Amount: amount, Reference: "r"}
	case 2:
		return &Adjust{Amount: "-" + amount, Reason: "w", Reference: "r"}
	case 3, 4:
		return &BuyPackage{Package: rapid.SampledFrom([]string{"tiny", "month", "year", "volume"}).Draw(t, "package"), AutoRenew: flag}
	case 5:
		return &RenewPackage{Package: number}
	case 6:
		return &SetAutoRenewal{Package: number, On: flag}
	case 7, 8:
		return &Subscribe{Instance: instance, Row: row, Months: months, Trial: flag && row == "s1" && months == 1}
	case 9:
		return &RenewSubscription{Instance: instance, Row: rapid.SampledFrom([]string{"", row}).Draw(t, "to"), Months: months}
	case 10:
		return &ChangeSubscription{Instance: instance, Row: row}
	case 11:
		return &ChangeAccount{CreditLimit: &amount}
	case 12:
		return &AcknowledgeRelease{Instance: rapid.SampledFrom([]string{"", instance}).Draw(t, "released")}
	}
	return &Adjust{Amount: "-" + amount, Reason: "w", Reference: "r"}
})
