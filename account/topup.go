package account

import (
	"strings"
	"unicode/utf8"
)

// TopUp adds money that was paid (D22, D33).
type TopUp struct {
	Amount    string `json:"amount"`
	Reference string `json:"reference"` // of the payment, outside
}

func (*TopUp) Type() string { return "top-up" }

// Apply credits the balance; that pays the debt first, since there is only one
// balance.
func (c *TopUp) Apply(a *Account, e Env) (Effects, error) {
	amount, err := e.Currency.Parse(c.Amount)
	if err != nil {
		return Effects{}, refuse(Invalid, "amount", "%v", err)
	}
	if amount <= 0 {
		return Effects{}, refuse(Invalid, "amount", "must be more than zero, got %s", c.Amount)
	}
	if err := checkWords("reference", c.Reference, "the payment"); err != nil {
		return Effects{}, err
	}
	m, err := a.move(e, MoveTopUp, "top-up", c.Reference, amount)
	if err != nil {
		return Effects{}, err
	}
	events := a.leaveArrears(e.unix())
	return Effects{Movements: []Movement{m}, Events: events, Answer: a.balanceAnswer(e, []Movement{m})}, nil
}

// Adjust corrects the balance, up or down: it undoes a mistyped top-up, for one
// (D36). Who may do so is decided before.
type Adjust struct {
	Amount    string `json:"amount"` // signed
	Reason    string `json:"reason"`
	Reference string `json:"reference"`
}

func (*Adjust) Type() string { return "adjust" }

// Apply moves the balance. It may end arrears at once, and cause them at the
// next settlement (D19).
func (c *Adjust) Apply(a *Account, e Env) (Effects, error) {
	amount, err := e.Currency.Parse(c.Amount)
	if err != nil {
		return Effects{}, refuse(Invalid, "amount", "%v", err)
	}
	if amount == 0 {
		return Effects{}, refuse(Invalid, "amount", "must not be zero")
	}
	if err := checkWords("reason", c.Reason, "why"); err != nil {
		return Effects{}, err
	}
	if err := checkWords("reference", c.Reference, "what it corrects"); err != nil {
		return Effects{}, err
	}
	m, err := a.move(e, MoveAdjustment, c.Reason, c.Reference, amount)
	if err != nil {
		return Effects{}, err
	}
	events := a.leaveArrears(e.unix())
	return Effects{Movements: []Movement{m}, Events: events, Answer: a.balanceAnswer(e, []Movement{m})}, nil
}

// owes reports whether a settlement would begin arrears (D19).
func (a *Account) owes() bool {
	return a.Arrears == 0 && a.Released == 0 && a.Balance < -a.CreditLimit
}

func checkWords(field, words, what string) error {
	if strings.TrimSpace(words) == "" || utf8.RuneCountInString(words) > 200 {
		return refuse(Invalid, field, "must name %s, in 1 to 200 characters", what)
	}
	return nil
}
