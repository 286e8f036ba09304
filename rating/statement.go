package rating

import (
	"errors"
	"fmt"
	"math"
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

// Kinds of movements that a statement sums up by themselves.
const (
	MovementUsage      = "usage"      // what settlements write (D12)
	MovementAdjustment = "adjustment" // corrections, up or down (D36)
)

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
	Kind   string    // MovementUsage, MovementAdjustment, or what else a command did
	Text   string
	Ref    string
	Amount money.Amount
}

// StatementInput is a month of an account, as the ledger has it.
type StatementInput struct {
	Number            string
	Closed            bool // the month's last hour is settled
	Account, Customer string
	Month             Month
	Currency          money.Currency
	BookHashes        []string                               // of the books in force in the month (D35)
	Ops               func(name string) *pricebook.Operation // the month's rates; nil for an unknown name
	Opening, Closing  money.Amount
	Usage             []Usage           // in any order; equal operation and funding are added up
	TierUse           *TierUse          // of operations whose tiers count all successful calls; nil if there are none
	Packages          map[string]string // the offer that a package was bought as, by reference: "package:3"
	NotBilled         []NotBilled       // as Usage
	Movements         []Movement        // all of the month, those of settlements included, in ledger order
	DebitedUsage      money.Amount      // what the month's settlements debited, credits subtracted
	LowerBounds       []LowerBound      // settled periods in which calls may be missing
}

// Statement is the monthly bill (D37), complete and as it is stored: amounts
// are decimals of the currency, and its JSON is the same for the same input.
// Closing = Opening + Credits + Adjustments − Purchases − Usage.
type Statement struct {
	Number      string         `json:"number"`
	Closed      bool           `json:"closed"` // else it shows what is settled so far
	Account     string         `json:"account"`
	Customer    string         `json:"customer"`
	Month       Month          `json:"month"`
	Currency    money.Currency `json:"currency"`
	BookHashes  []string       `json:"price_books"`
	Opening     string         `json:"opening"`
	Credits     string         `json:"credits"`     // payments, and what else raised the balance
	Adjustments string         `json:"adjustments"` // negative if they lowered it
	Purchases   string         `json:"purchases"`   // what packages, subscriptions and the like cost
	Usage       string         `json:"usage"`       // sum of the lines
	Closing     string         `json:"closing"`
	Lines       []Line         `json:"lines"`
	Packages    []PackageUse   `json:"packages"`
	Movements   []Entry        `json:"movements"`
	NotBilled   []NotBilled    `json:"not_billed"`
	LowerBounds []LowerBound   `json:"lower_bounds,omitempty"` // periods in which calls may be missing
}

// PackageUse is what a month used of a package.
type PackageUse struct {
	Reference string `json:"reference"` // the Funding of its line
	Offer     string `json:"offer"`     // "" if the input does not name it
	Operation string `json:"operation"`
	Calls     int64  `json:"calls"`
}

// Line is what calls of one operation cost that one thing paid for. Only
// pay-per-use lines have bands, and an amount other than 0: Exact is the sum
// of the bands, Amount is Exact rounded.
type Line struct {
	Operation string     `json:"operation"`
	Funding   string     `json:"funding"`
	Calls     int64      `json:"calls"`
	Basis     string     `json:"tier_basis,omitempty"` // "all_successful", or "" for the default
	Bands     []LineBand `json:"bands,omitempty"`
	Exact     string     `json:"exact,omitempty"`
	Amount    string     `json:"amount"`
}

// LineBand is a Band in words. Where the tiers count all successful calls the
// ordinals of a tier's pay-per-use calls are no run, and From and To are the
// tier's bounds (D9).
type LineBand struct {
	From  int64  `json:"from"`
	To    int64  `json:"to,omitempty"` // 0 = no bound, of a tier only
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
		Number: in.Number, Closed: in.Closed, Account: in.Account, Customer: in.Customer,
		Month: in.Month, Currency: in.Currency, BookHashes: append([]string{}, in.BookHashes...),
		Opening: in.Currency.Format(in.Opening), Closing: in.Currency.Format(in.Closing),
		Lines: []Line{}, Packages: []PackageUse{}, Movements: []Entry{}, NotBilled: mergeNotBilled(in.NotBilled),
		LowerBounds: in.LowerBounds,
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
		if strings.HasPrefix(line.Funding, FundingPackage+":") {
			s.Packages = append(s.Packages, PackageUse{line.Funding, in.Packages[line.Funding], line.Operation, line.Calls})
		}
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
	bands, err := l.explain(op, in.TierUse)
	if err != nil {
		return 0, err
	}
	var total money.Total
	for _, b := range bands {
		if total, err = total.Add(b.Calls, b.Price); err != nil {
			return 0, err
		}
		l.Bands = append(l.Bands, LineBand{b.From, b.To, b.Calls, in.Currency.FormatPrice(b.Price), b.Exact.String()})
	}
	amount, err := total.Round(in.Currency)
	l.Exact, l.Amount = total.String(), in.Currency.Format(amount)
	return amount, err
}

// explain finds the bands of a pay-per-use line.
func (l *Line) explain(op *pricebook.Operation, use *TierUse) ([]Band, error) {
	if op.Basis == pricebook.PayPerUseCalls {
		return Bands(op, 0, l.Calls)
	}
	l.Basis = op.Basis.String()
	return use.bands(op, l.Calls)
}
