package rating

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// What paid for calls, as it stands before the colon of Usage.Funding.
const (
	FundingFree         = "free"         // "free:202611"
	FundingPackage      = "package"      // "package:3"
	FundingPayPerUse    = "payg"         // "payg"
	FundingSubscription = "subscription" // "subscription:1"
)

// MovementUsage is the kind of the movements that settlements write (D12).
const MovementUsage = "usage"

// ErrStatement is returned for a statement that does not add up: the ledger is
// wrong, not the caller.
var ErrStatement = errors.New("the statement does not add up")

// Usage is a month's calls of an operation that one thing paid for.
type Usage struct {
	Operation string
	Funding   string
	Calls     uint64
}

// NotBilled is a month's calls of an operation that were not billed, and why
// (D5).
type NotBilled struct {
	Operation string `json:"operation"`
	Reason    string `json:"reason"`
	Calls     uint64 `json:"calls"`
}

// Movement is one change of the balance: positive is credit.
type Movement struct {
	At     time.Time // shown in its own zone
	Kind   string    // MovementUsage, or what a command did
	Text   string
	Ref    string
	Amount money.Amount
}

// StatementInput is a closed month of an account, as the ledger has it.
type StatementInput struct {
	Number            string
	Account, Customer string
	Month             Month
	Currency          money.Currency
	BookHashes        []string                               // of the books in force in the month (D35)
	Ops               func(name string) *pricebook.Operation // the month's rates; nil for an unknown name
	Opening, Closing  money.Amount
	Usage             []Usage      // in any order; equal operation and funding are added up
	NotBilled         []NotBilled  // as Usage
	Movements         []Movement   // all of the month, those of settlements included, in ledger order
	DebitedUsage      money.Amount // what the month's settlements debited, credits subtracted
}

// Statement is the monthly bill (D37), complete and as it is stored: amounts
// are decimals of the currency, and its JSON is the same for the same input.
type Statement struct {
	Number     string         `json:"number"`
	Account    string         `json:"account"`
	Customer   string         `json:"customer"`
	Month      Month          `json:"month"`
	Currency   money.Currency `json:"currency"`
	BookHashes []string       `json:"price_books"`
	Opening    string         `json:"opening"`
	Lines      []Line         `json:"lines"`
	Usage      string         `json:"usage"` // sum of the lines
	Movements  []Entry        `json:"movements"`
	Closing    string         `json:"closing"`
	NotBilled  []NotBilled    `json:"not_billed"`
}

// Line is what calls of one operation cost that one thing paid for. Only
// pay-per-use lines have bands, and an amount other than 0: Exact is the sum
// of the bands, Amount is Exact rounded.
type Line struct {
	Operation string     `json:"operation"`
	Funding   string     `json:"funding"`
	Calls     int64      `json:"calls"`
	Bands     []LineBand `json:"bands,omitempty"`
	Exact     string     `json:"exact,omitempty"`
	Amount    string     `json:"amount"`
}

// LineBand is a Band in words.
type LineBand struct {
	From  int64  `json:"from"`
	To    int64  `json:"to"`
	Calls int64  `json:"calls"`
	Price string `json:"unit_price"`
	Exact string `json:"exact"`
}

// Entry is a Movement in words.
type Entry struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	Text   string    `json:"text,omitempty"`
	Ref    string    `json:"ref,omitempty"`
	Amount string    `json:"amount"`
}

// Build makes the statement and proves it: the lines add up to what was
// debited hour by hour (D12), and the movements lead from the opening to the
// closing balance. If not, the error is ErrStatement.
func Build(in StatementInput) (Statement, error) {
	s := Statement{
		Number: in.Number, Account: in.Account, Customer: in.Customer,
		Month: in.Month, Currency: in.Currency, BookHashes: append([]string{}, in.BookHashes...),
		Opening: in.Currency.Format(in.Opening), Closing: in.Currency.Format(in.Closing),
		Lines: []Line{}, Movements: []Entry{}, NotBilled: mergeNotBilled(in.NotBilled),
	}
	charged, err := s.addLines(in)
	if err != nil {
		return Statement{}, s.wrap(err)
	}
	s.Usage = in.Currency.Format(charged)
	if err := s.addMovements(in); err != nil {
		return Statement{}, s.wrap(err)
	}
	if charged != in.DebitedUsage {
		return Statement{}, s.wrap(fmt.Errorf("%w: its lines cost %s, its settlements debited %s; refold the ledger and compare",
			ErrStatement, s.Usage, in.Currency.Format(in.DebitedUsage)))
	}
	return s, nil
}

func (s *Statement) wrap(err error) error {
	return fmt.Errorf("statement of account %q for %s: %w", s.Account, s.Month, err)
}

// addLines explains the usage and returns what it costs.
func (s *Statement) addLines(in StatementInput) (charged money.Amount, err error) {
	for _, usage := range mergeUsage(in.Usage) {
		line, amount, err := newLine(in, usage)
		if err != nil {
			return 0, err
		}
		if charged, err = charged.Add(amount); err != nil {
			return 0, err
		}
		s.Lines = append(s.Lines, line)
	}
	return charged, nil
}

func newLine(in StatementInput, u Usage) (Line, money.Amount, error) {
	if u.Calls > math.MaxInt64 {
		return Line{}, 0, fmt.Errorf("operation %q, %s: %d calls: %w", u.Operation, u.Funding, u.Calls, money.ErrOverflow)
	}
	line := Line{Operation: u.Operation, Funding: u.Funding, Calls: int64(u.Calls), Amount: in.Currency.Format(0)}
	if u.Funding == FundingPayPerUse {
		amount, err := line.charge(in)
		return line, amount, err
	}
	switch kind, _, _ := strings.Cut(u.Funding, ":"); kind {
	case FundingFree, FundingPackage, FundingSubscription:
		return line, 0, nil
	}
	return Line{}, 0, fmt.Errorf("operation %q: funding %q is unknown; use free:…, package:…, payg or subscription:…", u.Operation, u.Funding)
}

// charge fills in what a pay-per-use line costs.
func (l *Line) charge(in StatementInput) (money.Amount, error) {
	op := in.Ops(l.Operation)
	if op == nil {
		return 0, fmt.Errorf("operation %q is in no price book of the month; load the book that was in force", l.Operation)
	}
	bands, err := Bands(op, 0, l.Calls)
	if err != nil {
		return 0, err
	}
	for _, b := range bands {
		l.Bands = append(l.Bands, LineBand{b.From, b.To, b.Calls, in.Currency.FormatPrice(b.Price), b.Exact.String()})
	}
	total, err := exact(op, l.Calls)
	if err != nil {
		return 0, err
	}
	amount, err := total.Round(in.Currency)
	l.Exact, l.Amount = total.String(), in.Currency.Format(amount)
	return amount, err
}

// addMovements lists the movements and checks what they lead to.
func (s *Statement) addMovements(in StatementInput) (err error) {
	balance, debited := in.Opening, money.Amount(0)
	for _, m := range in.Movements {
		if balance, err = balance.Add(m.Amount); err != nil {
			return fmt.Errorf("balance after movement %q: %w", m.Ref, err)
		}
		if m.Kind == MovementUsage {
			if debited, err = debited.Sub(m.Amount); err != nil {
				return fmt.Errorf("usage up to movement %q: %w", m.Ref, err)
			}
		}
		s.Movements = append(s.Movements, Entry{m.At, m.Kind, m.Text, m.Ref, in.Currency.Format(m.Amount)})
	}
	switch {
	case balance != in.Closing:
		return fmt.Errorf("%w: its movements lead to %s, its closing balance is %s; refold the ledger and compare",
			ErrStatement, in.Currency.Format(balance), s.Closing)
	case debited != in.DebitedUsage:
		return fmt.Errorf("%w: its usage movements debit %s, its settlements debited %s; refold the ledger and compare",
			ErrStatement, in.Currency.Format(debited), in.Currency.Format(in.DebitedUsage))
	}
	return nil
}

// mergeUsage adds up equal lines, in the order in which calls are paid (D11).
func mergeUsage(usage []Usage) []Usage {
	sorted := slices.Clone(usage)
	slices.SortStableFunc(sorted, func(a, b Usage) int {
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), compareFunding(a.Funding, b.Funding))
	})
	var merged []Usage
	for _, u := range sorted {
		last := len(merged) - 1
		switch {
		case u.Calls == 0:
		case last >= 0 && merged[last].Operation == u.Operation && merged[last].Funding == u.Funding:
			merged[last].Calls = saturatedSum(merged[last].Calls, u.Calls)
		default:
			merged = append(merged, u)
		}
	}
	return merged
}

// saturatedSum is a + b, or the largest number, which newLine refuses: no ledger
// counts as far.
func saturatedSum(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// compareFunding puts kinds in the order of D11, and 3 before 10.
func compareFunding(a, b string) int {
	kindA, refA, _ := strings.Cut(a, ":")
	kindB, refB, _ := strings.Cut(b, ":")
	order := []string{FundingFree, FundingPackage, FundingPayPerUse, FundingSubscription}
	return cmp.Or(
		cmp.Compare(slices.Index(order, kindA), slices.Index(order, kindB)),
		cmp.Compare(len(refA), len(refB)),
		cmp.Compare(refA, refB),
	)
}

// mergeNotBilled sorts, and adds up equal operation and reason.
func mergeNotBilled(in []NotBilled) []NotBilled {
	sorted := slices.Clone(in)
	slices.SortStableFunc(sorted, func(a, b NotBilled) int {
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Reason, b.Reason))
	})
	merged := []NotBilled{}
	for _, n := range sorted {
		last := len(merged) - 1
		if last >= 0 && merged[last].Operation == n.Operation && merged[last].Reason == n.Reason {
			merged[last].Calls = saturatedSum(merged[last].Calls, n.Calls)
			continue
		}
		merged = append(merged, n)
	}
	return merged
}
