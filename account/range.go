package account

import "github.com/tallygate/tallygate/rating/money"

// InRange refuses a new command whose limits and prices no balance can reach. It is
// no part of Apply: what was accepted before there was this check is folded for
// ever.
func InRange(cmd Command, c money.Currency) error {
	field := func(name, text string) error {
		amount, err := c.Parse(text)
		if err != nil || amount >= -balanceMax && amount <= balanceMax {
			return nil // what is no amount Apply refuses, or does not ask for
		}
		return refuse(Invalid, name, "must be between %s and %s", c.Format(-balanceMax), c.Format(balanceMax))
	}
	both := func(creditLimit, lowBalance string) error {
		if err := field("credit_limit", creditLimit); err != nil {
			return err
		}
		return field("low_balance", lowBalance)
	}
	switch c := cmd.(type) {
	case *CreateAccount:
		return both(c.CreditLimit, c.LowBalance)
	case *ChangeAccount:
		return both(textOf(c.CreditLimit), textOf(c.LowBalance))
	case *AddRow:
		return field("price", c.Price)
	case *BuyPackage:
		return field("max_amount", c.MaxAmount)
	case *RenewPackage:
		return field("max_amount", c.MaxAmount)
	case *Subscribe:
		return field("max_amount", c.MaxAmount)
	case *RenewSubscription:
		return field("max_amount", c.MaxAmount)
	case *ChangeSubscription:
		return field("max_amount", c.MaxAmount)
	}
	return nil
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
