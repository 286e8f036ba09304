package account

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Env is what an account is judged by besides itself.
type Env struct {
	Now      int64 // event time, Unix nanoseconds
	Currency money.Currency
	Zone     *time.Location                   // the billing zone (D7)
	Books    func(unix int64) *pricebook.Book // in force at an instant
	Policy   Policy                           // in force
	Floor    int64                            // nothing is released before it, Unix seconds (D23)

	// OperationNumber finds an operation in the ledger's register.
	OperationNumber func(name string) (uint16, bool)

	// TrialTaken reports whether a customer has had a trial, on any account
	// (D29). Nil when an accepted command is applied again.
	TrialTaken func(customer string) bool
}

func (e Env) unix() int64 { return e.Now / int64(time.Second) }

func (e Env) book() *pricebook.Book { return e.Books(e.unix()) }

// at is the same environment at another instant, in Unix seconds.
func (e Env) at(unix int64) Env {
	e.Now = unix * int64(time.Second)
	return e
}

// Command changes one account. A command is journalled as its JSON and applied
// again from there, so Apply must depend on nothing but its arguments.
type Command interface {
	// Type names the command in the journal.
	Type() string
	// Apply changes the account, or returns an *Error and the account is void:
	// apply to a Clone. What was due before has happened: see Do.
	Apply(*Account, Env) (Effects, error)
}

// Do lets what is due until now happen and then applies a command (D13).
func Do(a *Account, c Command, e Env) (Effects, error) {
	due := a.Advance(e.unix(), e)
	a.Seen = max(a.Seen, e.unix())
	before := a.Balance
	effects, err := c.Apply(a, e)
	if err != nil {
		return Effects{}, err
	}
	due.add(effects)
	due.Events = append(due.Events, a.fellLow(before, e.unix(), e)...)
	due.Answer = effects.Answer
	return due, nil
}

// Effects is what came with a change of an account.
type Effects struct {
	Movements  []Movement
	Events     []Event
	Statements []StatementRecord
	Trial      string // the customer who has had a trial now
	Answer     any    // what the caller of a command is told; its JSON is remembered (D33)
	// Settled says that a settlement or the end of a month moved what they do, and
	// nothing else happened: balance and arrears, months, usage, counts of use. Terms,
	// keys and settings are as before.
	Settled bool
}

func (f *Effects) add(more Effects) {
	f.Movements = append(f.Movements, more.Movements...)
	f.Events = append(f.Events, more.Events...)
	f.Statements = append(f.Statements, more.Statements...)
	if more.Trial != "" {
		f.Trial = more.Trial
	}
}

// Movement is an immutable signed money entry (D37).
type Movement struct {
	Account   uint32
	Number    uint32 // within the account, from 1
	At        int64  // Unix nanoseconds
	Kind      string
	Text      string
	Reference string
	Amount    money.Amount
	Balance   money.Amount // after it
}

// commands lists every command by type; a new one is one line.
var commands = map[string]func() Command{
	"create-account":      func() Command { return new(CreateAccount) },
	"change-account":      func() Command { return new(ChangeAccount) },
	"add-key":             func() Command { return new(AddKey) },
	"revoke-key":          func() Command { return new(RevokeKey) },
	"add-row":             func() Command { return new(AddRow) },
	"top-up":              func() Command { return new(TopUp) },
	"adjust":              func() Command { return new(Adjust) },
	"buy-package":         func() Command { return new(BuyPackage) },
	"renew-package":       func() Command { return new(RenewPackage) },
	"set-auto-renewal":    func() Command { return new(SetAutoRenewal) },
	"subscribe":           func() Command { return new(Subscribe) },
	"renew-subscription":  func() Command { return new(RenewSubscription) },
	"change-subscription": func() Command { return new(ChangeSubscription) },
	"acknowledge-release": func() Command { return new(AcknowledgeRelease) },
	"reconcile-images":    func() Command { return new(ReconcileImages) },
}

// Decode reads a command from the journal.
func Decode(kind string, data []byte) (Command, error) {
	make, ok := commands[kind]
	if !ok {
		return nil, fmt.Errorf("unknown command %q: it was written by a newer release", kind)
	}
	c := make()
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("command %s: %w", kind, err)
	}
	return c, nil
}

// Why says what kind of no an Error is.
type Why uint8

const (
	Invalid    Why = iota // the command is malformed
	NotFound              // it names something that is not there
	Conflict              // it collides with what is
	NotAllowed            // the account's state forbids it
	Unpaid                // the balance does not cover it
	Dearer                // it costs more than max_amount (D34)
)

// Error refuses a command. Nothing happened.
type Error struct {
	Why    Why
	Field  string // of the command, "" = the whole
	Text   string // what is wrong and what mends it
	Amount string // what is due, where it is Dearer
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Text
	}
	return e.Field + ": " + e.Text
}

func refuse(why Why, field, format string, args ...any) *Error {
	return &Error{Why: why, Field: field, Text: fmt.Sprintf(format, args...)}
}
