package integration

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

// statement is a monthly bill as the API gives it.
type statement struct {
	Number      string
	Closed      bool
	Account     string
	Month       string
	Opening     string
	Credits     string
	Adjustments string
	Purchases   string
	Usage       string
	Closing     string
	Lines       []statementLine
	Movements   []movement
	NotBilled   []notBilled `json:"not_billed"`
}

type statementLine struct {
	Operation string
	Funding   string
	Calls     int64
	Bands     []struct {
		From, To, Calls int64
		UnitPrice       string `json:"unit_price"`
		Exact           string
	}
	Exact  string
	Amount string
}

type movement struct {
	At                      time.Time
	Kind, Text, Ref, Amount string
}

type notBilled struct {
	Operation, Reason string
	Calls             int64
}

// usage is what an account used this month so far.
type usage struct {
	Month                       string
	Debited, Unsettled, Balance string
	Lines                       []struct {
		Operation, Funding string
		Settled, Open      int64
		Debited, Unsettled string
	}
	NotBilled []struct {
		Operation, Reason string
		Settled, Open     int64
	} `json:"not_billed"`
}

func (s *scene) statement(account, month string) (st statement) {
	s.t.Helper()
	s.do("GET", "/accounts/"+account+"/statements/"+month, nil, &st)
	return st
}

func (s *scene) usage(account string) (u usage) {
	s.t.Helper()
	s.do("GET", "/accounts/"+account+"/usage", nil, &u)
	return u
}

// counted are the billed calls by operation.
func (st statement) counted() map[string]int64 {
	sums := map[string]int64{}
	for _, l := range st.Lines {
		sums[l.Operation] += l.Calls
	}
	return sums
}

// notCounted are the others by operation and reason: "search/add rate-limited".
func (st statement) notCounted() map[string]int64 {
	sums := map[string]int64{}
	for _, n := range st.NotBilled {
		sums[n.Operation+" "+n.Reason] += n.Calls
	}
	return sums
}

// counted are the billed calls by operation, settled or not.
func (u usage) counted() map[string]int64 {
	sums := map[string]int64{}
	for _, l := range u.Lines {
		sums[l.Operation] += l.Settled + l.Open
	}
	return sums
}

func (u usage) notCounted() map[string]int64 {
	sums := map[string]int64{}
	for _, n := range u.NotBilled {
		sums[n.Operation+" "+n.Reason] += n.Settled + n.Open
	}
	return sums
}

// prices are graduated tiers by operation, written down here a second time.
type prices map[string][]tier

type tier struct {
	upTo  int64 // 0 in the last
	price string
}

// charge is what a month's pay-per-use calls cost, in cents, half away from
// zero.
func (p prices) charge(operation string, calls int64) int64 {
	total, from := new(big.Rat), int64(0)
	for _, t := range p[operation] {
		to := calls
		if t.upTo != 0 {
			to = min(calls, t.upTo)
		}
		if to > from {
			total.Add(total, new(big.Rat).Mul(rat(t.price), big.NewRat(to-from, 1)))
			from = to
		}
	}
	doubled := total.Mul(total, big.NewRat(200, 1)) // in half cents
	whole := new(big.Int).Div(doubled.Num(), doubled.Denom())
	return whole.Add(whole, big.NewInt(1)).Rsh(whole, 1).Int64()
}

func rat(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic(fmt.Sprintf("%q is no number", text))
	}
	return r
}

// cents reads an amount, which must have two decimals.
func cents(t testing.TB, amount string) int64 {
	t.Helper()
	if point := strings.IndexByte(amount, '.'); point != len(amount)-3 {
		t.Fatalf("amount %q has not two decimals", amount)
	}
	return new(big.Rat).Mul(rat(amount), big.NewRat(100, 1)).Num().Int64()
}

// check recomputes a statement: each line from the prices, the sums from the
// parts, the closing balance from the opening one.
func (st statement) check(t testing.TB, p prices) {
	t.Helper()
	var lines, debits, balance int64
	for _, l := range st.Lines {
		want := int64(0)
		if l.Funding == "payg" {
			want = p.charge(l.Operation, l.Calls)
		}
		if got := cents(t, l.Amount); got != want {
			t.Errorf("%s %s: %d %s calls of %s cost %d cents, want %d", st.Account, st.Month, l.Calls, l.Funding, l.Operation, got, want)
		}
		lines += cents(t, l.Amount)
		st.checkBands(t, l)
	}
	for _, m := range st.Movements {
		balance += cents(t, m.Amount)
		if m.Kind == "usage" {
			debits -= cents(t, m.Amount)
		}
	}
	if usage := cents(t, st.Usage); usage != lines || usage != debits {
		t.Errorf("%s %s: usage %d cents, its lines %d, its debits %d", st.Account, st.Month, usage, lines, debits)
	}
	if opening, closing := cents(t, st.Opening), cents(t, st.Closing); opening+balance != closing {
		t.Errorf("%s %s: opening %d and movements %d cents make no closing %d", st.Account, st.Month, opening, balance, closing)
	}
}

// checkBands adds up the bands of a pay-per-use line.
func (st statement) checkBands(t testing.TB, l statementLine) {
	t.Helper()
	if l.Funding != "payg" {
		if len(l.Bands) > 0 {
			t.Errorf("%s %s: a line paid by %s has bands", st.Account, st.Month, l.Funding)
		}
		return
	}
	calls, sum := int64(0), new(big.Rat)
	for _, b := range l.Bands {
		exact := new(big.Rat).Mul(rat(b.UnitPrice), big.NewRat(b.Calls, 1))
		if exact.Cmp(rat(b.Exact)) != 0 {
			t.Errorf("%s %s: %d calls at %s are %s, not %s", st.Account, st.Month, b.Calls, b.UnitPrice, exact.FloatString(10), b.Exact)
		}
		calls, sum = calls+b.Calls, sum.Add(sum, exact)
	}
	if calls != l.Calls || sum.Cmp(rat(l.Exact)) != 0 {
		t.Errorf("%s %s: the bands of %s have %d calls and %s, the line %d and %s", st.Account, st.Month,
			l.Operation, calls, sum.FloatString(10), l.Calls, l.Exact)
	}
}
