package rating

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// settledMonth is a month as a ledger would have settled it: hours of calls to
// some operations, a usage movement for each, and a top-up before them.
func settledMonth(t *rapid.T) StatementInput {
	cur := drawCurrency(t)
	ops := map[string]*pricebook.Operation{
		"a/graduated": drawOperation(t, pricebook.Graduated), "b/volume": drawOperation(t, pricebook.Volume),
		"c/graduated": drawOperation(t, pricebook.Graduated), "d/volume": drawOperation(t, pricebook.Volume),
	}
	names := slices.Sorted(maps.Keys(ops))
	for _, name := range names {
		ops[name].Name = name
	}
	ops["c/graduated"].Basis, ops["d/volume"].Basis = pricebook.AllSuccessful, pricebook.AllSuccessful
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.FixedZone("", 8*3600))
	in := StatementInput{
		Number: "1", Account: "acme", Customer: "acme", Month: 202611, Currency: cur,
		Ops:       func(name string) *pricebook.Operation { return ops[name] },
		Opening:   money.Amount(rapid.Int64Range(-1000, 1000).Draw(t, "opening")),
		Movements: []Movement{{At: at, Kind: "top-up", Ref: "r", Amount: 5}},
	}
	in.Closing, in.TierUse = in.Opening+5, &TierUse{}
	accruals := map[string]Accrual{}
	for range rapid.IntRange(0, 9).Draw(t, "hours") {
		at = at.Add(time.Hour)
		name := rapid.SampledFrom(names).Draw(t, "operation")
		h := drawHour(t)
		after, err := accruals[name].Add(ops[name], h)
		was, errWas := accruals[name].Charge(cur)
		is, errIs := after.Charge(cur)
		if err := errors.Join(err, errWas, errIs, in.TierUse.Add(ops[name], h)); err != nil {
			t.Fatal(err)
		}
		accruals[name] = after
		in.Usage = append(in.Usage, Usage{name, FundingPayPerUse, h.PayPerUse}, Usage{name, "package:2", h.Package}, Usage{name, "free:202611", h.Free})
		in.move(at, MovementUsage, was-is)
		in.DebitedUsage += is - was
		in.move(at, rapid.SampledFrom([]string{"top-up", "package", MovementAdjustment}).Draw(t, "kind"), money.Amount(rapid.Int64Range(-50, 50).Draw(t, "amount")))
	}
	return in
}

func (in *StatementInput) move(at time.Time, kind string, amount money.Amount) {
	in.Movements = append(in.Movements, Movement{At: at, Kind: kind, Text: "=1+1", Ref: at.Format("02T15"), Amount: amount})
	in.Closing += amount
}

// D12, D37: what was settled hour by hour is what the statement says, whatever
// the order in which usage is listed, and it survives JSON.
func TestStatementOfASettledMonth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := settledMonth(t)
		s, err := Build(in)
		if err != nil {
			t.Fatal(err)
		}
		var sum money.Amount
		for _, line := range s.Lines {
			amount, err := in.Currency.Parse(line.Amount)
			if err != nil {
				t.Fatal(err)
			}
			sum += amount
		}
		if sum != in.DebitedUsage {
			t.Fatalf("lines add up to %d, debited were %d", sum, in.DebitedUsage)
		}
		checkSummary(t, in, s)
		first, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		rand.Shuffle(len(in.Usage), func(i, j int) { in.Usage[i], in.Usage[j] = in.Usage[j], in.Usage[i] })
		again, err := Build(in)
		if err != nil {
			t.Fatal(err)
		}
		second, err := json.Marshal(again)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%v: %s\nis not\n%s", err, second, first)
		}
		var read Statement
		if err := json.Unmarshal(first, &read); err != nil {
			t.Fatal(err)
		}
		third, err := json.Marshal(read)
		if err != nil || !bytes.Equal(first, third) {
			t.Fatalf("%v: read and written again: %s\nis not\n%s", err, third, first)
		}
		var table, readTable strings.Builder
		if err := errors.Join(s.WriteTable(&table), read.WriteTable(&readTable)); err != nil || table.String() != readTable.String() {
			t.Fatalf("%v: the table of the read statement differs:\n%s\n%s", err, &table, &readTable)
		}
	})
}

// checkSummary adds up what the statement and its CSV say of the balance.
func checkSummary(t *rapid.T, in StatementInput, s Statement) {
	amount := func(text string) money.Amount {
		a, err := in.Currency.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if amount(s.Opening)+amount(s.Credits)+amount(s.Adjustments)-amount(s.Purchases)-amount(s.Usage) != amount(s.Closing) {
		t.Fatalf("%s + %s + %s - %s - %s is not %s", s.Opening, s.Credits, s.Adjustments, s.Purchases, s.Usage, s.Closing)
	}
	want := map[bool]money.Amount{} // of what is neither usage nor adjustment, by whether it is a credit
	for _, m := range in.Movements {
		if m.Kind != MovementUsage && m.Kind != MovementAdjustment {
			want[m.Amount > 0] += m.Amount
		}
	}
	if amount(s.Credits) != want[true] || amount(s.Purchases) != -want[false] {
		t.Fatalf("credits %s and purchases %s of %+v", s.Credits, s.Purchases, in.Movements)
	}
	var b strings.Builder
	if err := s.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll() // refuses rows of unequal length
	if err != nil {
		t.Fatal(err)
	}
	column := func(row []string, name string) string { return row[slices.Index(rows[0], name)] }
	sums := map[string]money.Amount{}
	for _, row := range rows[1:] {
		if text := column(row, "amount"); text != "" {
			sums[column(row, "row")] += amount(text)
		}
	}
	if sums[rowSummary] != 2*amount(s.Closing) || sums[rowLine] != in.DebitedUsage || sums[rowMovement] != in.Closing-in.Opening {
		t.Fatalf("the CSV adds up to %v, closing balance %s\n%s", sums, s.Closing, &b)
	}
}

// A ledger that is off by one cent or one call is noticed.
func TestStatementThatDoesNotAddUp(t *testing.T) {
	t.Parallel()
	spoils := map[string]func(*StatementInput){
		"opening":  func(in *StatementInput) { in.Opening++ },
		"closing":  func(in *StatementInput) { in.Closing-- },
		"debited":  func(in *StatementInput) { in.DebitedUsage++ },
		"movement": func(in *StatementInput) { in.Movements[0].Amount++ },
		"lost":     func(in *StatementInput) { in.Movements = in.Movements[1:] },
		"doubled":  func(in *StatementInput) { in.Movements = append(in.Movements, in.Movements[0]) },
		"kind":     func(in *StatementInput) { in.Movements[0].Kind = MovementUsage },
		"a lost hour": func(in *StatementInput) {
			in.Usage = append(in.Usage, Usage{"c/graduated", FundingPayPerUse, 1})
		},
		"usage": func(in *StatementInput) {
			in.Usage = append(in.Usage, Usage{"e/new", FundingPayPerUse, 1})
			ops := in.Ops
			in.Ops = func(name string) *pricebook.Operation {
				if name == "e/new" {
					return &pricebook.Operation{Name: name, Tiers: []pricebook.Tier{{Price: 1e12}}}
				}
				return ops(name)
			}
		},
	}
	rapid.Check(t, func(t *rapid.T) {
		what := rapid.SampledFrom(slices.Sorted(maps.Keys(spoils))).Draw(t, "what")
		in := settledMonth(t)
		spoils[what](&in)
		if s, err := Build(in); !errors.Is(err, ErrStatement) || !reflect.DeepEqual(s, Statement{}) {
			t.Fatalf("%s: got %+v, %v", what, s, err)
		}
	})
}

func TestStatementRefuses(t *testing.T) {
	t.Parallel()
	op, cur := exampleOperation(t)
	for want, usage := range map[string][]Usage{
		`funding "pay-g" is unknown`:  {{"a/b", "pay-g", 1}},
		`funding "payg:1" is unknown`: {{"a/b", "payg:1", 1}},
		"is in no price book":         {{"a/b", FundingPayPerUse, 1}},
		"out of range":                {{op.Name, FundingPayPerUse, 1 << 63}, {op.Name, FundingPayPerUse, 1 << 63}},
	} {
		_, err := Build(StatementInput{Currency: cur, Usage: usage, Ops: func(name string) *pricebook.Operation {
			if name == op.Name {
				return op
			}
			return nil
		}})
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, ErrStatement) {
			t.Errorf("%v: got %v, want %q", usage, err, want)
		}
	}
}

// What people write cannot break out of the table, nor reach a terminal.
func TestTableKeepsControlCharactersOut(t *testing.T) {
	t.Parallel()
	s, err := Build(StatementInput{Currency: money.Currency{Code: "USD", Digits: 2}, Opening: 1, Closing: 2,
		Movements: []Movement{{Kind: "adjustment", Text: "a\tb\nc\x1b[2J", Ref: "r\r", Amount: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := s.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\t\x1b\r") || !strings.Contains(b.String(), "a b c [2J") {
		t.Errorf("got %q", b.String())
	}
}

// What people write is no formula in a spreadsheet, and no second row.
func TestCSVKeepsFormulasOut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+49 151": "'+49 151", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "' =1", "\r\n@x": "'  @x", " =1": "' =1",
		"＝1": "'＝1", "＋1": "'＋1", "－1": "'－1", "＠x": "'＠x",
		"": "", "a=b": "a=b", "1-2": "1-2", "a\nb": "a b", "\x1b[2J": " [2J", "'x": "'x",
	} {
		if got := word(text); got != want {
			t.Errorf("%q is written %q, want %q", text, got, want)
		}
	}
	s, err := Build(StatementInput{Number: "=n", Account: "+a", Customer: "-c", Currency: money.Currency{Code: "USD", Digits: 2},
		BookHashes: []string{"@h"}, Usage: []Usage{{"=op", "package:=1", 1}}, Packages: map[string]string{"package:=1": "=offer"},
		NotBilled: []NotBilled{{"=op", "=reason", 1}}, Opening: 2, Movements: []Movement{{Kind: "-kind", Text: "=t", Ref: "@r", Amount: -2}}})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := s.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		for i, text := range row {
			if name := rows[0][i]; name != "amount" && strings.IndexAny(text, "=+-@") == 0 {
				t.Errorf("column %s of a %s row is %q", name, row[0], text)
			}
		}
	}
}

// A writer that fails is reported, wherever it does.
func TestWritersReportErrors(t *testing.T) {
	t.Parallel()
	s, err := Build(StatementInput{Currency: money.Currency{Code: "USD", Digits: 2}, BookHashes: []string{"h"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(io.Writer) error{"csv": s.WriteCSV, "table": s.WriteTable} {
		var whole strings.Builder
		if err := write(&whole); err != nil {
			t.Fatal(err)
		}
		for room := range whole.Len() {
			if err := write(&shortWriter{room}); !errors.Is(err, io.ErrShortWrite) {
				t.Fatalf("%s: after %d of %d bytes the error is %v", name, room, whole.Len(), err)
			}
		}
	}
}

// shortWriter has room for so many bytes.
type shortWriter struct{ room int }

func (w *shortWriter) Write(p []byte) (int, error) {
	if len(p) > w.room {
		return 0, io.ErrShortWrite
	}
	w.room -= len(p)
	return len(p), nil
}
