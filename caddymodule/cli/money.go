package cli

import (
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web"
)

func topUpCommand(cmd *cobra.Command) {
	cmd.Args = named("account", "amount")
	cmd.Example = `  tallygate topup acme 100.00 --reference "wire 4711"`
	cmd.Long = "Adds money that was paid to an account's balance. It pays a debt first."
	reference := cmd.Flags().String("reference", "", "of the payment, in your books (required)")
	previewed(cmd, func(s *session) (ask, error) {
		return ask{onAccount(s.args[0], "topups"), web.NewTopUp{Amount: s.args[1], Reference: *reference}}, nil
	}, func(s *session, a account.BalanceAnswer) {
		s.say("Added %s to account %s.", money(a.Amount, a.Currency), a.Account)
		s.balance(a)
	})
}

// financeToken is where the finance role's token is: on no command line, which
// shells and process lists keep.
const financeToken = "TALLYGATE_FINANCE_TOKEN"

func adjustCommand(cmd *cobra.Command) {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 2 && strings.HasPrefix(args[2], "-") {
			return errors.New("what comes after -- is no flag: write -- -5.00 last")
		}
		return named("account", "amount")(cmd, args)
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if strings.Contains(err.Error(), "shorthand flag: '") {
			return errors.New("a negative amount looks like a flag: write it last, after --, as in: tallygate adjust acme --reason … --reference … -- -5.00")
		}
		return err
	})
	cmd.Example = `  tallygate adjust acme 5.00 --reason "goodwill for the outage" --reference "ticket 813"
  tallygate adjust acme --reason "wire 4711 was typed twice" --reference "ticket 812" -- -100.00`
	cmd.Long = "Corrects a balance, up or down, for the finance role. What is taken may cause arrears.\n" +
		"The role's token is read from $" + financeToken + "; its SHA-256 is in the Caddyfile:\n\n" +
		"  tallygate {\n    finance <sha256>    # as printed by: printf %s \"$" + financeToken + "\" | sha256sum\n  }\n\n" +
		"A negative amount stands last, after --."
	reason := cmd.Flags().String("reason", "", "why, for the statement (required)")
	reference := cmd.Flags().String("reference", "", "what it corrects, in your books (required)")
	previewed(cmd, func(s *session) (ask, error) {
		s.client.token = os.Getenv(financeToken)
		return ask{onAccount(s.args[0], "adjustments"), web.Adjustment{Amount: s.args[1], Reason: *reason, Reference: *reference}}, nil
	}, func(s *session, a account.BalanceAnswer) {
		s.say("Adjusted account %s by %s.", a.Account, money(a.Amount, a.Currency))
		s.balance(a)
	})
}

func (s *session) balance(a account.BalanceAnswer) {
	s.say("Its balance is %s, it is %s.", money(a.Balance, a.Currency), a.State)
}

// paid says what a purchase moved.
func (s *session) paid(a account.BalanceAnswer) {
	amount, debit := strings.CutPrefix(a.Amount, "-")
	word := "paid"
	if !debit && strings.Trim(amount, "0.") != "" {
		word = "is credited"
	}
	s.say("Account %s %s %s.", a.Account, word, money(amount, a.Currency))
	s.balance(a)
}
