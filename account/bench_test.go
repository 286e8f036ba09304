package account

import (
	"os"
	"testing"
	"time"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

const benchHours = 720 // of a month of 30 days

// benchMonth is a month of an account with a package of tagging and calls of
// two operations in every hour: free first, then of the package, then
// pay-per-use, and a few that failed.
type benchMonth struct {
	book   *pricebook.Book
	env    Env
	bought *Account // before the month's first hour
	moves  []Movement
	counts [benchHours][]Count
	starts int64
}

func newBenchMonth(b *testing.B) *benchMonth {
	text, err := os.ReadFile("../pricebook.yaml")
	if err != nil {
		b.Fatal(err)
	}
	book, err := pricebook.Parse("pricebook.yaml", text)
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	m := &benchMonth{book: book, starts: begin.Unix(), bought: &Account{ID: "acme", Number: 1, Customer: "acme"}}
	m.env = Env{Now: begin.UnixNano(), Currency: book.Currency, Zone: time.UTC, Books: func(int64) *pricebook.Book { return book },
		Policy: DefaultPolicy, OperationNumber: operationNumber}
	for _, cmd := range []Command{&TopUp{Amount: "1000.00", Reference: "wire 1"}, &BuyPackage{Package: "image-tagging-10k-1y"}} {
		effects, err := Do(m.bought, cmd, m.env)
		if err != nil {
			b.Fatal(err)
		}
		m.moves = append(m.moves, effects.Movements...)
	}
	m.count()
	return m
}

var benchOperations = []string{"", "recognition/image-tagging", "recognition/media-tagging"}

func operationNumber(name string) (uint16, bool) {
	for n, known := range benchOperations {
		if n > 0 && known == name {
			return uint16(n), true
		}
	}
	return 0, false
}

// count fills the hours with 50 and 30 calls of the two operations.
func (m *benchMonth) count() {
	for h := range m.counts {
		tagging := Count{Line{Account: 1, Operation: 1, Kind: PayPerUse}, 50}
		switch before := 50 * h; {
		case before < 1_000:
			tagging.Kind, tagging.Ref = Free, 202611
		case before < 11_000:
			tagging.Kind, tagging.Ref = Package, 1
		}
		media := Count{Line{Account: 1, Operation: 2, Kind: PayPerUse}, 30}
		if 30*h < 1_000 {
			media.Kind, media.Ref = Free, 202611
		}
		failed := Count{Line{Account: 1, Operation: 1, Kind: FailedBody}, 2}
		m.counts[h] = []Count{tagging, failed, media}
	}
}

// rate settles every hour, closes the month and makes its statement.
func (m *benchMonth) rate(b *testing.B) rating.Statement {
	in := rating.StatementInput{Account: "acme", Customer: "acme", Month: 202611, Currency: m.book.Currency, BookHashes: []string{m.book.Hash},
		Ops: func(name string) *pricebook.Operation { op, _ := m.book.Operation(name); return op }, TierUse: new(rating.TierUse)}
	for _, v := range m.moves {
		in.Movements = append(in.Movements, rating.Movement{At: time.Unix(0, v.At).UTC(), Kind: v.Kind, Text: v.Text, Ref: v.Reference, Amount: v.Amount})
	}
	rates := func(n uint16) (*pricebook.Operation, bool) { return m.book.Operation(benchOperations[n]) }
	a := m.bought
	for h, counts := range m.counts {
		p := Period{Start: m.starts + int64(h)*3600, End: m.starts + int64(h+1)*3600, Month: 202611}
		a = a.Clone()
		charges, _, err := a.Settle(p, counts, rates, m.env.at(p.End))
		if err != nil {
			b.Fatal(err)
		}
		var debit money.Amount
		for _, c := range charges {
			debit += c.Amount
			if name := benchOperations[c.Operation]; c.Kind.Billed() {
				in.Usage = append(in.Usage, rating.Usage{Operation: name, Funding: c.Funding(), Calls: c.Calls})
			} else {
				in.NotBilled = append(in.NotBilled, rating.NotBilled{Operation: name, Reason: c.Kind.String(), Calls: c.Calls})
			}
		}
		in.DebitedUsage += debit
		in.Movements = append(in.Movements, rating.Movement{At: time.Unix(p.End, 0).UTC(), Kind: rating.MovementUsage, Amount: -debit})
	}
	effects, err := a.CloseMonths(202612, m.starts+benchHours*3600)
	if err != nil {
		b.Fatal(err)
	}
	in.Closing, in.Closed = effects.Statements[0].Closing, true
	s, err := rating.Build(in)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkMonth rates account-months, without a ledger: 720 hours settled with
// 3 lines each, the month closed, its statement made from the records and proved.
func BenchmarkMonth(b *testing.B) {
	m := newBenchMonth(b)
	if s := m.rate(b); s.Usage == "0.00" || len(s.Lines) != 5 {
		b.Fatalf("%+v", s)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.rate(b)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "months/s")
}
