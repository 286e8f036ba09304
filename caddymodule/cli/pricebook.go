package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/rating/pricebook"
	"github.com/tallygate/tallygate/web"
)

func priceBookCommand(noun *cobra.Command) {
	noun.Example = "  tallygate pricebook show\n  tallygate pricebook lint pricebook.yaml\n  tallygate pricebook diff pricebook.yaml\n" +
		"  tallygate pricebook schedule pricebook.yaml --from 2027-01"
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
	diffPriceBooks(noun)
	schedulePriceBook(noun)
}

func diffPriceBooks(noun *cobra.Command) {
	cmd := verb(noun, "diff [<old file>] <new file>", "Show what a price book changes, and when it could take force",
		"  tallygate pricebook diff pricebook.yaml                      # against the one in force\n"+
			"  tallygate pricebook diff pricebook.yaml pricebook-2027.yaml  # without a gateway", cobra.RangeArgs(1, 2))
	cmd.Long = "Compares a price book with the one in force, or two files without a gateway. Tiers and free allowances change at\n" +
		"the start of a month only, all else at any hour; what was before is never priced anew."
	action(cmd, func(s *session) error {
		last, err := pricebook.Load(s.args[len(s.args)-1])
		if err != nil {
			return err
		}
		if len(s.args) == 1 {
			body := web.PriceBookSource{Source: string(last.Source)}
			return tell(s, "/pricebook/diff", body, func(c web.PriceChanges) { showChanges(s, c) })
		}
		old, err := pricebook.Load(s.args[0])
		if err != nil {
			return err
		}
		changes := web.ChangesOf(old, last)
		return s.show(changes, func() { showChanges(s, changes) })
	})
}

func showChanges(s *session, c web.PriceChanges) {
	if len(c.Changes) == 0 {
		s.say("Nothing of meaning differs.")
		return
	}
	changeTable(s, c.Changes)
	s.gap()
	if c.Earliest.IsZero() {
		s.say("As a whole it takes force %s.", c.Force)
		return
	}
	s.say("As a whole it takes force %s: from %s at the earliest.", c.Force, instant(c.Earliest))
}

func changeTable(s *session, changes []web.PriceChange) {
	var rows [][]string
	for _, c := range changes {
		rows = append(rows, []string{c.Where, c.Text, c.Force})
	}
	table(s.out, "Where,Change,Permitted", rows...)
}

func schedulePriceBook(noun *cobra.Command) {
	cmd := verb(noun, "schedule <file>", "Let a price book take force later",
		"  tallygate pricebook schedule pricebook-2027.yaml --from 2027-01\n"+
			"  tallygate pricebook schedule pricebook.yaml --from 2026-12-24T00:00:00+08:00", named("file"))
	cmd.Long = "Lets a price book take force at the start of a month, or of an hour where it changes neither tiers nor free\n" +
		"allowances. See tallygate pricebook diff for what it changes, and pricebook show for what is scheduled."
	from := cmd.Flags().String("from", "", "a month such as 2027-01, or an instant such as 2027-01-01T00:00:00+08:00 (required)")
	action(cmd, func(s *session) error {
		b, err := pricebook.Load(s.args[0])
		if err != nil {
			return err
		}
		body := web.NewPrices{PriceBookSource: web.PriceBookSource{Source: string(b.Source)}, From: *from}
		return tell(s, "/pricebook/schedule", body, func(p web.ScheduledPrices) {
			s.say("%s takes force on %s.", s.args[0], instant(p.From))
			s.say("%s", p.Hash)
			if len(p.Changes) > 0 {
				s.gap()
				changeTable(s, p.Changes)
			}
		})
	})
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
		head := []string{"Price book", b.Hash, "Currency", b.Currency, "In force since", instant(b.Since)}
		for _, u := range b.Upcoming {
			head = append(head, "From "+instant(u.From), u.Hash)
		}
		facts(s.out, head...)
		section(s.out, "Calls", "Operation,Paid by,>Free a month,>From call,>Price", callRows(b))
		section(s.out, "Packages", offeredPackages, offerRows(b))
		section(s.out, "Subscriptions", offeredRows, rowRows(b.Rows))
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

func rowRows(list []web.Row) (rows [][]string) {
	for _, r := range list {
		trial := "-"
		if r.Trial {
			trial = "first month free"
		}
		rows = append(rows, []string{r.Row, r.Service, number(r.MaxImages), rates(r.QPS), r.Price, trial})
	}
	return rows
}
