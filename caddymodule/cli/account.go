package cli

import (
	"cmp"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web"
)

func accountCommand(noun *cobra.Command) {
	noun.Example = "  tallygate account create acme --credit-limit 50.00 --low-balance 20.00\n  tallygate account show acme"
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
	low := cmd.Flags().String("low-balance", "", "a balance below it raises a notice (default 0)")
	payPerUse := cmd.Flags().Bool("pay-per-use", true, "charge calls that nothing else pays for one by one; =false refuses them")
	commandAction(cmd, func(s *session, c command) error {
		body := web.NewAccount{Account: s.args[0], Customer: *customer, CreditLimit: *limit, LowBalance: *low, PayPerUse: payPerUse}
		return change(s, c, "POST", "/accounts", body, func(a account.AccountAnswer) {
			s.say("Account %s of customer %s is open.", a.Account, a.Customer)
		})
	})
}

func changeAccount(noun *cobra.Command) {
	cmd := verb(noun, "set <account>", "Change an account's settings",
		"  tallygate account set acme --credit-limit 100.00\n  tallygate account set acme --pay-per-use=false", named("account"))
	limit := cmd.Flags().String("credit-limit", "", "how far below zero the balance may be")
	low := cmd.Flags().String("low-balance", "", "a balance below it raises a notice")
	payPerUse := cmd.Flags().Bool("pay-per-use", true, "charge calls that nothing else pays for one by one; =false refuses them")
	commandAction(cmd, func(s *session, c command) error {
		var body web.AccountChange
		if cmd.Flags().Changed("credit-limit") {
			body.CreditLimit = limit
		}
		if cmd.Flags().Changed("low-balance") {
			body.LowBalance = low
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
			"Arrears since", instant(a.Arrears), "Release due", instant(a.ReleaseDue), "Released", instant(a.Released),
			"Data", deleted(!a.Released.IsZero(), a.ReleaseAck), "Balance", money(a.Balance, a.Currency),
			"Credit limit", money(a.CreditLimit, a.Currency), "Low balance", money(a.LowBalance, a.Currency),
			"Worst overshoot", overshoot(a), "Pay-per-use", onOff(a.PayPerUse))
		section(s.out, "Packages", boughtPackages, packageRows(a.Packages))
		section(s.out, "Instances", instanceColumns, instanceRows(a.Instances))
		section(s.out, "Subscriptions", boughtSubscriptions, subscriptionRows(a.Subscriptions))
		if len(a.Rows) > 0 {
			section(s.out, "Rows on sale to it alone", offeredRows, rowRows(a.Rows))
		}
		section(s.out, "Keys", keyColumns, keyRows(a.Keys))
	})
}

// deleted says what became of the data of what was released.
func deleted(released, acknowledged bool) string {
	switch {
	case !released:
		return ""
	case acknowledged:
		return "deleted"
	}
	return "to be deleted"
}

func overshoot(a web.Account) string {
	if a.Overshoot.Amount == "" {
		return "unbounded: " + a.Overshoot.Because
	}
	return money(a.Overshoot.Amount, a.Currency)
}

const (
	boughtPackages      = "Package,Offer,Operation,>Calls,>Left,From,Until,>Price,Renewal"
	instanceColumns     = "Instance,State,Row,>Images,>Uncertain,>Max images,Paid until,Released"
	boughtSubscriptions = "Subscription,Instance,Row,>Max images,>QPS search/add/delete,From,Until,>Price,Note"
	keyColumns          = "Key,Kind,Instance,Label,Created"
)

func packageRows(list []web.Package) (rows [][]string) {
	for _, p := range list {
		renewal := "-"
		switch {
		case p.AutoRenew:
			renewal = "by itself"
		case !p.Renewable.IsZero():
			renewal = "until " + instant(p.Renewable)
		}
		rows = append(rows, []string{number(p.Package), p.Offer, p.Operation, number(p.Calls), number(p.Left), instant(p.Start), instant(p.End), p.Price, renewal})
	}
	return rows
}

func instanceRows(list []web.Instance) (rows [][]string) {
	for _, i := range list {
		released := "-"
		switch {
		case i.State == web.InstanceReleased:
			released = instant(i.Released) + ", data " + deleted(true, i.ReleaseAck)
		case i.State == web.InstanceRetained:
			released = "due " + instant(i.ReleaseDue)
		}
		rows = append(rows, []string{i.Instance, string(i.State), cmp.Or(i.Row, "-"), number(i.Images), number(i.Uncertain), number(i.MaxImages),
			instant(i.PaidUntil), released})
	}
	return rows
}

func subscriptionRows(list []web.Subscription) (rows [][]string) {
	for _, p := range list {
		note := "-"
		switch {
		case p.Void:
			note = "changed"
		case p.Trial:
			note = "trial"
		}
		rows = append(rows, []string{number(p.Subscription), p.Instance, p.Row, number(p.MaxImages), rates(p.QPS), instant(p.Start), instant(p.End), p.Price, note})
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
