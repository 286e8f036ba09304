package account

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Env is what a command is judged by besides the account.
type Env struct {
	Now      int64 // event time, Unix nanoseconds
	Currency money.Currency
	Book     *pricebook.Book // in force at Now
	Zone     *time.Location  // the billing zone (D7)

	// OperationNumber finds an operation in the ledger's register.
	OperationNumber func(name string) (uint16, bool)
}

func (e Env) unix() int64 { return e.Now / int64(time.Second) }

// Command changes one account. A command is journalled as its JSON and applied
// again from there, so Apply must depend on nothing but its arguments.
type Command interface {
	// Type names the command in the journal.
	Type() string
	// Apply changes the account, or returns an *Error and the account is void:
	// apply to a Clone.
	Apply(*Account, Env) (Effects, error)
}

// Effects is what a command did besides changing the account.
type Effects struct {
	Movements []Movement
	Answer    any // what the caller is told; its JSON is remembered (D33)
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
	"create-account": func() Command { return new(CreateAccount) },
	"change-account": func() Command { return new(ChangeAccount) },
	"add-key":        func() Command { return new(AddKey) },
	"revoke-key":     func() Command { return new(RevokeKey) },
	"top-up":         func() Command { return new(TopUp) },
	"buy-package":    func() Command { return new(BuyPackage) },
	"subscribe":      func() Command { return new(Subscribe) },
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
)

// Error refuses a command. Nothing happened.
type Error struct {
	Why   Why
	Field string // of the command, "" = the whole
	Text  string // what is wrong and what mends it
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Text
	}
	return e.Field + ": " + e.Text
}

func refuse(why Why, field, format string, args ...any) *Error {
	return &Error{why, field, fmt.Sprintf(format, args...)}
}

// move adds a movement and changes the balance by it.
func (a *Account) move(e Env, kind, text, reference string, amount money.Amount) (Movement, error) {
	balance, err := a.Balance.Add(amount)
	if err != nil {
		return Movement{}, refuse(Invalid, "amount", "the balance would be out of range")
	}
	a.Balance = balance
	a.Movements++
	a.LastMovement = e.unix()
	return Movement{Account: a.Number, Number: a.Movements, At: e.Now, Kind: kind, Text: text,
		Reference: reference, Amount: amount, Balance: balance}, nil
}

// mayBuy refuses what an account in arrears or without means may not buy (D14,
// D21).
func (a *Account) mayBuy(e Env, what string, price money.Amount) error {
	if s := a.StateAt(e.unix()); s != Active {
		return refuse(NotAllowed, "account", "in arrears (%s): top up %s before buying a %s", s,
			e.Currency.Format(-a.CreditLimit-a.Balance), what)
	}
	if !a.Spendable(price) {
		return refuse(Unpaid, "account", "the %s costs %s %s and the balance is %s: top up first", what,
			e.Currency.Format(price), e.Currency.Code, e.Currency.Format(a.Balance))
	}
	return nil
}
