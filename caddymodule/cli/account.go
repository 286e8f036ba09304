package cli

import (
	"cmp"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web"
)

func accountCommand(noun *cobra.Command) {
	noun.Example = "  tallygate account create acme --credit-limit 50.00\n  tallygate account show acme"
	createAccount(noun)
	action(verb(noun, "list", "List all accounts", "  tallygate account list", cobra.NoArgs), listAccounts)
	action(verb(noun, "show <account>", "Show an account with all it has", "  tallygate account show acme", named("account")), showAccount)
	changeAccount(noun)
}

func createAccount(noun *cobra.Command) {
	cmd := verb(noun, "create <account>", "Open an account",
		"  tallygate account create acme\n  tallygate account create acme-eu --customer acme --credit-limit 50.00", named("account"))
	cmd.Long = "Opens an account. Its id is for ever: 1 to 64 letters, digits or . _ @ -"
	customer := cmd.Flags().String("customer", "", "who pays (default: the account itself)")
	limit := cmd.Flags().String("credit-limit", "", "how far below zero the balance may be (default 0)")
	payPerUse := cmd.Flags().Bool("pay-per-use", true, "charge calls that nothing else pays for one by one; =false refuses them")
	commandAction(cmd, func(s *session, c command) error {
		body := web.NewAccount{Account: s.args[0], Customer: *customer, CreditLimit: *limit, PayPerUse: payPerUse}
		return change(s, c, "POST", "/accounts", body, func(a account.AccountAnswer) {
			s.say("Account %s of customer %s is open.", a.Account, a.Customer)
		})
	})
}

func changeAccount(noun *cobra.Command) {
	cmd := verb(noun, "set <account>", "Change an account's settings",
		"  tallygate account set acme --credit-limit 100.00\n  tallygate account set acme --pay-per-use=false", named("account"))
	limit := cmd.Flags().String("credit-limit", "", "how far below zero the balance may be")
	payPerUse := cmd.Flags().Bool("pay-per-use", true, "charge calls that nothing else pays for one by one; =false refuses them")
	commandAction(cmd, func(s *session, c command) error {
		var body web.AccountChange
		if cmd.Flags().Changed("credit-limit") {
			body.CreditLimit = limit
		}
		if cmd.Flags().Changed("pay-per-use") {
			body.PayPerUse = payPerUse
		}
		return change(s, c, "PATCH", onAccount(s.args[0]), body, func(a account.AccountAnswer) {
			s.say("Account %s is changed.", a.Account)
		})
	})
}

func listAccounts(s *session) error {
	all := web.AccountList{Accounts: []web.AccountSummary{}}
	for {
		page, err := fetch[web.AccountList](s, "/accounts?limit=1000&after="+url.QueryEscape(all.Next))
		if err != nil {
			return err
		}
		all.Accounts, all.Next = append(all.Accounts, page.Accounts...), page.Next
		if page.Next == "" {
			break
		}
	}
	return s.show(all, func() {
		var rows [][]string
		for _, a := range all.Accounts {
			rows = append(rows, []string{a.Account, a.Customer, string(a.State), a.Balance, a.Currency, onOff(a.PayPerUse)})
		}
		table(s.out, "Account,Customer,State,>Balance,Currency,Pay-per-use", rows...)
	})
}

func showAccount(s *session) error {
	a, err := fetch[web.Account](s, onAccount(s.args[0]))
	if err != nil {
		return err
	}
	return s.show(a, func() {
		facts(s.out, "Account", a.Account, "Customer", a.Customer, "Created", instant(a.Created), "State", string(a.State),
			"Arrears since", instant(a.Arrears), "Release due", instant(a.ReleaseDue), "Balance", money(a.Balance, a.Currency),
			"Credit limit", money(a.CreditLimit, a.Currency), "Pay-per-use", onOff(a.PayPerUse))
		section(s.out, "Packages", boughtPackages, packageRows(a.Packages))
		section(s.out, "Subscriptions", boughtSubscriptions, subscriptionRows(a.Subscriptions))
		section(s.out, "Keys", keyColumns, keyRows(a.Keys))
	})
}

const (
	boughtPackages      = "Package,Offer,Operation,>Calls,>Left,From,Until,>Price"
	boughtSubscriptions = "Subscription,Instance,Row,>Max images,>QPS search/add/delete,From,Until,>Price"
	keyColumns          = "Key,Kind,Instance,Label,Created"
)

func packageRows(list []web.Package) (rows [][]string) {
	for _, p := range list {
		rows = append(rows, []string{number(p.Package), p.Offer, p.Operation, number(p.Calls), number(p.Left), instant(p.Start), instant(p.End), p.Price})
	}
	return rows
}

func subscriptionRows(list []web.Subscription) (rows [][]string) {
	for _, p := range list {
		rows = append(rows, []string{number(p.Subscription), p.Instance, p.Row, number(p.MaxImages), rates(p.QPS), instant(p.Start), instant(p.End), p.Price})
	}
	return rows
}

func rates(q web.QPS) string { return number(q.Search) + "/" + number(q.Add) + "/" + number(q.Delete) }

func keyRows(list []web.Key) (rows [][]string) {
	for _, k := range list {
		rows = append(rows, []string{k.Key, string(k.Kind), cmp.Or(k.Instance, "-"), cmp.Or(k.Label, "-"), instant(k.Created)})
	}
	return rows
}
