package cli

import (
	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web"
)

func topUpCommand(cmd *cobra.Command) {
	cmd.Args = named("account", "amount")
	cmd.Example = `  tallygate topup acme 100.00 --reference "wire 4711"`
	cmd.Long = "Adds money that was paid to an account's balance. It pays a debt first."
	reference := cmd.Flags().String("reference", "", "of the payment, in your books (required)")
	commandAction(cmd, func(s *session, c command) error {
		body := web.NewTopUp{Amount: s.args[1], Reference: *reference}
		return change(s, c, "POST", onAccount(s.args[0], "topups"), body, func(a account.BalanceAnswer) {
			s.say("Added %s to account %s.", money(a.Amount, a.Currency), a.Account)
			s.balance(a)
		})
	})
}

func (s *session) balance(a account.BalanceAnswer) {
	s.say("Its balance is %s, it is %s.", money(a.Balance, a.Currency), a.State)
}

func packageCommand(noun *cobra.Command) {
	noun.Example = "  tallygate package list\n  tallygate package buy acme image-tagging-10k-1y"
	buy := verb(noun, "buy <account> <package>", "Buy prepaid calls from the balance",
		"  tallygate package buy acme image-tagging-10k-1y", named("account", "package"))
	commandAction(buy, func(s *session, c command) error {
		body := web.NewPackage{Package: s.args[1]}
		return change(s, c, "POST", onAccount(s.args[0], "packages"), body, func(p account.PackageAnswer) {
			s.say("Package %d: %d calls of %s until %s.", p.Package, p.Calls, p.Operation, instant(p.End))
			s.say("Account %s paid %s.", p.Account, price(p.BalanceAnswer))
			s.balance(p.BalanceAnswer)
		})
	})
	list := verb(noun, "list [<account>]", "List the packages on sale, or those of an account",
		"  tallygate package list\n  tallygate package list acme", cobra.MaximumNArgs(1))
	action(list, listPackages)
}

// price is the debit of a purchase without its sign.
func price(a account.BalanceAnswer) string {
	amount := a.Amount
	if amount != "" && amount[0] == '-' {
		amount = amount[1:]
	}
	return money(amount, a.Currency)
}

func listPackages(s *session) error {
	if len(s.args) == 1 {
		a, err := fetch[web.Account](s, onAccount(s.args[0]))
		if err != nil {
			return err
		}
		return s.show(a.Packages, func() { table(s.out, boughtPackages, packageRows(a.Packages)...) })
	}
	b, err := fetch[web.PriceBook](s, "/pricebook")
	if err != nil {
		return err
	}
	return s.show(b.Packages, func() { table(s.out, offeredPackages, offerRows(b)...) })
}

func subscriptionCommand(noun *cobra.Command) {
	noun.Example = "  tallygate subscription list\n  tallygate subscription buy acme products s2500k-5 --months 3"
	buy := verb(noun, "buy <account> <instance> <row>", "Buy a term of a search instance from the balance",
		"  tallygate subscription buy acme products s2500k-5 --months 3", named("account", "instance", "row"))
	months := buy.Flags().Int("months", 1, "calendar months, 1 to 36")
	commandAction(buy, func(s *session, c command) error {
		// Not web.NewSubscription, which leaves out 0 months: the gateway has to refuse it.
		body := struct {
			Instance string `json:"instance"`
			Row      string `json:"row"`
			Months   int    `json:"months"`
		}{s.args[1], s.args[2], *months}
		return change(s, c, "POST", onAccount(s.args[0], "subscriptions"), body, func(p account.SubscriptionAnswer) {
			s.say("Subscription %d: instance %s, up to %d images, QPS %d, until %s.", p.Subscription, p.Instance, p.MaxImages, p.QPS, instant(p.End))
			s.say("Account %s paid %s.", p.Account, price(p.BalanceAnswer))
			s.balance(p.BalanceAnswer)
		})
	})
	list := verb(noun, "list [<account>]", "List the subscriptions on sale, or those of an account",
		"  tallygate subscription list\n  tallygate subscription list acme", cobra.MaximumNArgs(1))
	action(list, listSubscriptions)
}

func listSubscriptions(s *session) error {
	if len(s.args) == 1 {
		a, err := fetch[web.Account](s, onAccount(s.args[0]))
		if err != nil {
			return err
		}
		return s.show(a.Subscriptions, func() { table(s.out, boughtSubscriptions, subscriptionRows(a.Subscriptions)...) })
	}
	b, err := fetch[web.PriceBook](s, "/pricebook")
	if err != nil {
		return err
	}
	return s.show(b.Rows, func() { table(s.out, offeredRows, rowRows(b)...) })
}
