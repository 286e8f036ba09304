package account

// TopUp adds money that was paid (D22, D33).
type TopUp struct {
	Amount    string `json:"amount"`
	Reference string `json:"reference"` // of the payment, outside
}

func (*TopUp) Type() string { return "top-up" }

// BalanceAnswer tells a balance after a command.
type BalanceAnswer struct {
	Account  string `json:"account"`
	Movement uint32 `json:"movement"`
	Amount   string `json:"amount"`
	Balance  string `json:"balance"`
	Currency string `json:"currency"`
	State    State  `json:"state"`
}

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
	if c.Reference == "" || len(c.Reference) > 200 {
		return Effects{}, refuse(Invalid, "reference", "must name the payment, in 1 to 200 characters")
	}
	m, err := a.move(e, "top-up", "top-up", c.Reference, amount)
	if err != nil {
		return Effects{}, err
	}
	a.leaveArrears(e.unix())
	return Effects{Movements: []Movement{m}, Answer: a.balanceAnswer(e, m)}, nil
}

func (a *Account) balanceAnswer(e Env, m Movement) BalanceAnswer {
	return BalanceAnswer{Account: a.ID, Movement: m.Number, Amount: e.Currency.Format(m.Amount),
		Balance: e.Currency.Format(a.Balance), Currency: e.Currency.Code, State: a.StateAt(e.unix())}
}

// leaveArrears ends arrears where the balance allows it (D22). Released is
// final (D20): a top-up then only reduces the debt (D23).
func (a *Account) leaveArrears(now int64) {
	if a.Balance >= -a.CreditLimit && a.StateAt(now) != ReleasedState {
		a.Arrears, a.ArrearsLaw = 0, Policy{}
	}
}
