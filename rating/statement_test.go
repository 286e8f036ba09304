package rating

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
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
	}
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.FixedZone("", 8*3600))
	in := StatementInput{
		Number: "1", Account: "acme", Customer: "acme", Month: 202611, Currency: cur,
		Ops:       func(name string) *pricebook.Operation { return ops[name] },
		Opening:   money.Amount(rapid.Int64Range(-1000, 1000).Draw(t, "opening")),
		Movements: []Movement{{At: at, Kind: "top-up", Ref: "r", Amount: 5}},
	}
	in.Closing = in.Opening + 5
	counts := map[string]int64{}
	for range rapid.IntRange(0, 30).Draw(t, "hours") {
		at = at.Add(time.Hour)
		name := rapid.SampledFrom([]string{"a/graduated", "b/volume"}).Draw(t, "operation")
		n := rapid.Int64Range(0, 30).Draw(t, "calls")
		debit, err := Debit(ops[name], cur, counts[name], counts[name]+n)
		if err != nil {
			t.Fatal(err)
		}
		counts[name] += n
		in.Usage = append(in.Usage, Usage{name, FundingPayPerUse, uint64(n)}, Usage{name, "package:2", 1}, Usage{name, "free:202611", 2})
		in.Movements = append(in.Movements, Movement{At: at, Kind: MovementUsage, Ref: at.Format("02T15"), Amount: -debit})
		in.DebitedUsage += debit
		in.Closing -= debit
	}
	return in
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

// A ledger that is off by one cent or one call is noticed.
func TestStatementThatDoesNotAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		for what, spoil := range map[string]func(*StatementInput){
			"opening":  func(in *StatementInput) { in.Opening++ },
			"closing":  func(in *StatementInput) { in.Closing-- },
			"debited":  func(in *StatementInput) { in.DebitedUsage++ },
			"movement": func(in *StatementInput) { in.Movements[0].Amount++ },
			"lost":     func(in *StatementInput) { in.Movements = in.Movements[1:] },
			"doubled":  func(in *StatementInput) { in.Movements = append(in.Movements, in.Movements[0]) },
			"kind":     func(in *StatementInput) { in.Movements[0].Kind = MovementUsage },
			"usage": func(in *StatementInput) {
				in.Usage = append(in.Usage, Usage{"c/new", FundingPayPerUse, 1})
				ops := in.Ops
				in.Ops = func(name string) *pricebook.Operation {
					if name == "c/new" {
						return &pricebook.Operation{Name: name, Tiers: []pricebook.Tier{{Price: 1e12}}}
					}
					return ops(name)
				}
			},
		} {
			in := settledMonth(t)
			spoil(&in)
			if s, err := Build(in); !errors.Is(err, ErrStatement) || !reflect.DeepEqual(s, Statement{}) {
				t.Fatalf("%s: got %+v, %v", what, s, err)
			}
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
