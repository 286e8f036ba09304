package account

import (
	"slices"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
)

// The kinds of movements. A settlement's debit is no movement of its own: it
// follows from the usage record (D12).
const (
	MoveTopUp               = "top-up"
	MoveAdjustment          = "adjustment"
	MovePackage             = "package"
	MovePackageRenewal      = "package-renewal"
	MoveSubscription        = "subscription"
	MoveSubscriptionRenewal = "subscription-renewal"
	MoveSubscriptionChange  = "subscription-change"
)

// balanceMax is how far from zero commands may bring a balance, in minor units. What
// lies between it and the largest amount is for settlements: one that does not fit
// could not be settled, and all that comes after it would wait for ever.
const balanceMax = 10_000_000_000_000_000

// move adds a movement and changes the balance by it.
func (a *Account) move(e Env, kind, text, reference string, amount money.Amount) (Movement, error) {
	after, err := a.Balance.Add(amount)
	if err != nil || amount > 0 && after > balanceMax || amount < 0 && after < -balanceMax {
		return Movement{}, refuse(Invalid, "amount", "the balance would be out of range: at most %s either way", e.Currency.Format(balanceMax))
	}
	if err := a.shift(uint32(rating.MonthOf(e.unix(), e.Zone)), amount); err != nil {
		return Movement{}, err
	}
	a.Movements++
	a.LastMovement = e.unix()
	return Movement{Account: a.Number, Number: a.Movements, At: e.Now, Kind: kind, Text: text,
		Reference: reference, Amount: amount, Balance: a.Balance}, nil
}

// shift changes the balance within a month.
func (a *Account) shift(month uint32, amount money.Amount) error {
	balance, err := a.Balance.Add(amount)
	if err != nil {
		return refuse(Invalid, "amount", "the balance would be out of range")
	}
	m := a.openMonth(month)
	if m.Sum, err = m.Sum.Add(amount); err != nil {
		return refuse(Invalid, "amount", "the month's sum would be out of range")
	}
	a.Balance = balance
	return nil
}

// openMonth finds a month that is not closed, or opens it.
func (a *Account) openMonth(month uint32) *OpenMonth {
	i, found := slices.BinarySearchFunc(a.Months, month, func(m OpenMonth, month uint32) int { return int(m.Month) - int(month) })
	if !found {
		a.Months = slices.Insert(a.Months, i, OpenMonth{Month: month})
	}
	return &a.Months[i]
}

// sale is something that is paid from the balance.
type sale struct {
	what, kind, text, reference string
	price                       money.Amount // negative = a credit
}

// pay refuses what an account in arrears or without means may not buy (D14,
// D21) and what costs more than the caller agreed to (D34), and moves the
// money. What is free moves none.
func (a *Account) pay(e Env, most string, sales ...sale) (moved []Movement, err error) {
	what := sales[0].what
	if err := a.mayBuy(e, what); err != nil {
		return nil, err
	}
	var total money.Amount
	for _, s := range sales {
		if total, err = total.Add(s.price); err != nil {
			return nil, refuse(Invalid, "", "the price is out of range")
		}
	}
	if err := agreed(e, what, most, total); err != nil {
		return nil, err
	}
	if total > 0 && !a.Spendable(total) {
		return nil, refuse(Unpaid, "account", "the %s costs %s %s and the balance is %s: top up first", what,
			e.Currency.Format(total), e.Currency.Code, e.Currency.Format(a.Balance))
	}
	for _, s := range sales {
		if s.price == 0 {
			continue
		}
		m, err := a.move(e, s.kind, s.text, s.reference, -s.price)
		if err != nil {
			return nil, err
		}
		moved = append(moved, m)
	}
	return moved, nil
}

// mayBuy refuses every purchase, renewal and change in arrears (D21).
func (a *Account) mayBuy(e Env, what string) error {
	switch s := a.StateAt(e.unix()); s {
	case Active:
		return nil
	case ReleasedState:
		return refuse(NotAllowed, "account", "the account is released for good: open another one")
	default:
		return refuse(NotAllowed, "account", "in arrears (%s): top up %s before paying for a %s", s,
			e.Currency.Format(-a.CreditLimit-a.Balance), what)
	}
}

// agreed holds the price against what the caller agreed to pay at most (D34).
func agreed(e Env, what, most string, price money.Amount) error {
	if most == "" {
		return nil
	}
	limit, err := e.Currency.Parse(most)
	if err != nil {
		return refuse(Invalid, "max_amount", "%v", err)
	}
	if price <= limit {
		return nil
	}
	no := refuse(Dearer, "max_amount", "the %s costs %s %s now, more than the %s that was agreed: confirm the new amount",
		what, e.Currency.Format(price), e.Currency.Code, most)
	no.Amount = e.Currency.Format(price)
	return no
}

// BalanceAnswer tells a balance after a command.
type BalanceAnswer struct {
	Account  string `json:"account"`
	Movement uint32 `json:"movement,omitempty"` // number of the last one, absent where nothing was moved
	Amount   string `json:"amount"`             // positive is credit
	Balance  string `json:"balance"`
	Currency string `json:"currency"`
	State    State  `json:"state"`
}

func (a *Account) balanceAnswer(e Env, moved []Movement) BalanceAnswer {
	b := BalanceAnswer{Account: a.ID, Balance: e.Currency.Format(a.Balance), Currency: e.Currency.Code, State: a.StateAt(e.unix())}
	var sum money.Amount
	for _, m := range moved {
		sum += m.Amount // cannot wrap: the balance took it
		b.Movement = m.Number
	}
	b.Amount = e.Currency.Format(sum)
	return b
}
