package cli

import (
	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web"
)

func subscriptionCommand(noun *cobra.Command) {
	noun.Example = "  tallygate subscription list\n  tallygate subscription buy acme products s2500k-5 --months 3\n" +
		"  tallygate subscription change acme products s5m-5 --preview"
	buySubscription(noun)
	trySubscription(noun)
	renewSubscription(noun)
	changeSubscription(noun)
	offered := verb(noun, "list [<account>]", "List the subscriptions on sale, or those of an account",
		"  tallygate subscription list\n  tallygate subscription list acme", cobra.MaximumNArgs(1))
	action(offered, listSubscriptions)
}

// Not web's types, which leave out 0 months: the gateway has to refuse it.
type newTerm struct {
	Instance string `json:"instance,omitempty"`
	Row      string `json:"row,omitempty"`
	Months   int    `json:"months"`
	web.Agreed
}

func buySubscription(noun *cobra.Command) {
	cmd := verb(noun, "buy <account> <instance> <row>", "Buy a term of a search instance from the balance",
		"  tallygate subscription buy acme products s2500k-5 --months 3\n"+
			"  tallygate subscription buy acme products s2500k-5 --preview", named("account", "instance", "row"))
	months := cmd.Flags().Int("months", 1, "calendar months, 1 to 36")
	purchase(cmd, func(s *session, most web.Agreed) (ask, error) {
		return ask{onAccount(s.args[0], "subscriptions"), newTerm{s.args[1], s.args[2], *months, most}}, nil
	}, boughtSubscription)
}

func boughtSubscription(s *session, p account.SubscriptionAnswer) {
	s.say("Subscription %d: instance %s, up to %d images, QPS %d, until %s.", p.Subscription, p.Instance, p.MaxImages, p.QPS, instant(p.End))
	s.paid(p.BalanceAnswer)
}

func trySubscription(noun *cobra.Command) {
	cmd := verb(noun, "trial <account> <instance> <row>", "Begin the free month of a search instance",
		"  tallygate subscription trial acme products s100k-1", named("account", "instance", "row"))
	cmd.Long = "Begins the free month of a row that has one (see tallygate subscription list): once for each customer, for ever.\n" +
		"What is paid for it later continues it from its end: see tallygate subscription renew."
	previewed(cmd, func(s *session) (ask, error) {
		return ask{onAccount(s.args[0], "subscriptions"), web.NewSubscription{Instance: s.args[1], Row: s.args[2], Months: 1, Trial: true}}, nil
	}, boughtSubscription)
}

func renewSubscription(noun *cobra.Command) {
	cmd := verb(noun, "renew <account> <instance>", "Append a term to an instance's last one",
		"  tallygate subscription renew acme products --months 3 --preview\n"+
			"  tallygate subscription renew acme products --row s5m-5 --max-amount 1600.00", named("account", "instance"))
	cmd.Long = "Appends a term, at any time until the instance is released. It begins where the last one ends, also where\n" +
		"that has passed. Another row takes effect with it."
	row := cmd.Flags().String("row", "", "of the new term (default: that of the last one)")
	months := cmd.Flags().Int("months", 1, "calendar months, 1 to 36")
	purchase(cmd, func(s *session, most web.Agreed) (ask, error) {
		return ask{onAccount(s.args[0], "instances", s.args[1], "renewals"), newTerm{Row: *row, Months: *months, Agreed: most}}, nil
	}, boughtSubscription)
}

func changeSubscription(noun *cobra.Command) {
	cmd := verb(noun, "change <account> <instance> <row>", "Put another row in force at once",
		"  tallygate subscription change acme products s5m-5 --preview\n"+
			"  tallygate subscription change acme products s5m-5 --max-amount 420.00\n"+
			"  tallygate subscription change acme products s100k-1 --max-amount=-200.00", named("account", "instance", "row"))
	cmd.Long = "Puts another row in force at once, for the rest of the running term; its end stays. The difference is due for\n" +
		"the seconds that are left, so it changes every second; a negative one is credited. Prepaid terms of the old row\n" +
		"are changed along."
	purchase(cmd, func(s *session, most web.Agreed) (ask, error) {
		return ask{onAccount(s.args[0], "instances", s.args[1], "changes"), web.SubscriptionChange{Row: s.args[2], Agreed: most}}, nil
	}, boughtSubscription)
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
	return s.show(b.Rows, func() { table(s.out, offeredRows, rowRows(b.Rows)...) })
}

func rowCommand(noun *cobra.Command) {
	noun.Example = "  tallygate row add acme acme-60m --images 60_000_000 --qps 100 --price 9000.00\n  tallygate row list acme"
	cmd := verb(noun, "add <account> <row>", "Put a subscription row on sale for one account",
		"  tallygate row add acme acme-60m --images 60_000_000 --qps 100 --price 9000.00", named("account", "row"))
	cmd.Long = "Puts a row on sale for one account, beyond the price book's or at another price: the answer to who was told to\n" +
		"contact sales. It is bought, renewed and changed to like any other. A row of the same id is replaced; terms that\n" +
		"were bought stay as they are."
	flags := cmd.Flags()
	images := counted(cmd, "images", 0, "how many it holds (required)")
	search := counted(cmd, "qps", 0, "searches in any second (required)")
	add := counted(cmd, "add-qps", 0, "adds in any second (default: as --qps)")
	remove := counted(cmd, "delete-qps", 20, "deletes in any second")
	price := flags.String("price", "", "per calendar month (required)")
	service := flags.String("service", "search", "that the price book sells subscriptions of")
	commandAction(cmd, func(s *session, c command) error {
		body := web.NewRow{Row: s.args[1], Service: *service, MaxImages: int64(*images),
			QPS: web.NewQPS{Search: uint32(*search), Add: uint32(*add), Delete: uint32(*remove)}, Price: *price}
		return change(s, c, "POST", onAccount(s.args[0], "rows"), body, func(r account.RowAnswer) {
			s.say("Row %s is on sale to account %s, for %s a month.", r.Row, r.Account, r.Price)
		})
	})
	action(verb(noun, "list <account>", "List an account's own rows", "  tallygate row list acme", named("account")), func(s *session) error {
		a, err := fetch[web.Account](s, onAccount(s.args[0]))
		if err != nil {
			return err
		}
		return s.show(a.Rows, func() { table(s.out, offeredRows, rowRows(a.Rows)...) })
	})
}
