package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/pricebook"
	"github.com/tallygate/tallygate/web"
)

func usageCommand(cmd *cobra.Command) {
	cmd.Args = named("account")
	cmd.Example = "  tallygate usage acme"
	cmd.Long = "Shows what an account used this calendar month: what is settled, and what is counted and\n" +
		"not settled yet (open), priced as the next settlement will."
	action(cmd, showUsage)
}

func showUsage(s *session) error {
	u, err := fetch[web.Usage](s, onAccount(s.args[0], "usage"))
	if err != nil {
		return err
	}
	return s.show(u, func() {
		facts(s.out, "Account", u.Account, "Month", u.Month.String(), "As of", instant(u.AsOf), "Settled until", instant(u.SettledUntil))
		var lines, not [][]string
		for _, l := range u.Lines {
			lines = append(lines, []string{l.Operation, l.Funding, number(l.Settled), number(l.Open), l.Debited, l.Unsettled})
		}
		if len(lines) > 0 {
			lines = append(lines, []string{"All", "", "", "", u.Debited, u.Unsettled})
		}
		section(s.out, "Usage", "Operation,Paid by,>Settled,>Open,>Debited,>Unsettled", lines)
		for _, n := range u.NotBilled {
			not = append(not, []string{n.Operation, n.Reason, number(n.Settled), number(n.Open)})
		}
		if len(not) > 0 {
			section(s.out, "Not billed", "Operation,Reason,>Settled,>Open", not)
		}
		s.gap()
		s.say("The balance is %s, before %s of open calls.", money(u.Balance, u.Currency), money(u.Unsettled, u.Currency))
	})
}

func statementCommand(cmd *cobra.Command) {
	cmd.Args = named("account")
	cmd.Example = "  tallygate statement acme --month 2026-11"
	cmd.Long = "Shows an account's statement of a calendar month; that of a running month holds what is settled so far."
	month := cmd.Flags().String("month", "", "as 2026-11 (default: the present one)")
	action(cmd, func(s *session) error {
		if *month == "" {
			u, err := fetch[web.Usage](s, onAccount(s.args[0], "usage"))
			if err != nil {
				return err
			}
			*month = u.Month.String()
		}
		path := onAccount(s.args[0], "statements", *month)
		if s.json {
			v, err := fetch[rating.Statement](s, path)
			if err != nil {
				return err
			}
			return s.show(v, nil)
		}
		a, err := s.send(cmd.Context(), request{method: "GET", path: path + "?format=table"})
		if err != nil {
			return err
		}
		_, err = s.out.Write(a.text)
		return err
	})
}

func priceBookCommand(noun *cobra.Command) {
	noun.Example = "  tallygate pricebook show\n  tallygate pricebook lint pricebook.yaml"
	action(verb(noun, "show", "Show the prices in force", "  tallygate pricebook show", cobra.NoArgs), showPriceBook)
	lint := verb(noun, "lint <file>", "Check a price book, without a gateway", "  tallygate pricebook lint pricebook.yaml", named("file"))
	lint.Long = "Checks a price book file and prints all that is wrong, each with its line and column."
	lint.RunE = func(cmd *cobra.Command, args []string) error {
		b, err := pricebook.Load(args[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s is fine: %d operations, %d packages, %d subscriptions in %s\n%s\n",
			args[0], len(b.Operations), len(b.Packages), len(b.Rows), b.Currency, b.Hash)
		return nil
	}
}

const (
	offeredPackages = "Package,Operation,>Calls,>Months,>Price"
	offeredRows     = "Row,Service,>Max images,>QPS search/add/delete,>Price a month,Trial"
)

func showPriceBook(s *session) error {
	b, err := fetch[web.PriceBook](s, "/pricebook")
	if err != nil {
		return err
	}
	return s.show(b, func() {
		facts(s.out, "Price book", b.Hash, "Currency", b.Currency, "In force since", instant(b.Since))
		for _, u := range b.Upcoming {
			facts(s.out, "From "+instant(u.From), u.Hash)
		}
		section(s.out, "Calls", "Operation,Paid by,>Free a month,>From call,>Price", callRows(b))
		section(s.out, "Packages", offeredPackages, offerRows(b))
		section(s.out, "Subscriptions", offeredRows, rowRows(b))
	})
}

// callRows has one row for each tier.
func callRows(b web.PriceBook) (rows [][]string) {
	for _, op := range b.Operations {
		if len(op.Tiers) == 0 {
			rows = append(rows, []string{op.Operation, "subscription (" + op.Class + ")", "-", "-", "-"})
		}
		from := int64(1)
		for i, tier := range op.Tiers {
			row := []string{op.Operation, op.Funding, number(op.FreePerMonth), number(from), tier.Price}
			if op.Model == "volume" {
				row[1] += ", by volume"
			}
			if i > 0 {
				row[0], row[1], row[2] = "", "", ""
			}
			rows = append(rows, row)
			from = tier.UpTo + 1
		}
	}
	return rows
}

func offerRows(b web.PriceBook) (rows [][]string) {
	for _, p := range b.Packages {
		rows = append(rows, []string{p.Package, p.Operation, number(p.Calls), number(p.Months), p.Price})
	}
	return rows
}

func rowRows(b web.PriceBook) (rows [][]string) {
	for _, r := range b.Rows {
		trial := ""
		if r.Trial {
			trial = "first month free"
		}
		rows = append(rows, []string{r.Row, r.Service, number(r.MaxImages), rates(r.QPS), r.Price, trial})
	}
	return rows
}
