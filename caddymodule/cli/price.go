package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web"
)

func priceCommand(noun *cobra.Command) {
	noun.Example = "  tallygate price calls recognition/image-tagging 50_000\n  tallygate price subscription --images 2_000_000 --qps 5"
	priceCalls(noun)
	priceSubscription(noun)
}

func priceCalls(noun *cobra.Command) {
	cmd := verb(noun, "calls <operation> [<calls a month>]", "Compare what calls cost one by one and in packages",
		"  tallygate price calls recognition/image-tagging 50_000\n"+
			"  tallygate price calls recognition/image-tagging 50_000 --months 3 --by-month\n"+
			"  tallygate price calls recognition/image-tagging --profile calls.txt", cobra.RangeArgs(1, 2))
	cmd.Long = "Says what a use would cost a new account at the prices in force: pay-per-use alone, and with each package. Every\n" +
		"plan is lived through, with what is free each month and with tiers, so that it is what would be charged.\n\n" +
		"A profile is a file with the calls of successive months, one number a line; - is the standard input."
	months := cmd.Flags().Int("months", 12, "calendar months, 1 to 60")
	profile := cmd.Flags().String("profile", "", "file with the calls of each month")
	byMonth := cmd.Flags().Bool("by-month", false, "show the months of the cheapest plan")
	action(cmd, func(s *session) error {
		q := web.CallsQuestion{Operation: s.args[0]}
		err := checkMonths(*months, 60)
		if err != nil {
			return err
		}
		switch given := len(s.args) == 2; {
		case given == (*profile != ""):
			return errors.New("say how many calls a month, or give those of each with --profile")
		case given:
			var perMonth count
			if err := perMonth.Set(s.args[1]); err != nil {
				return fmt.Errorf("calls a month %q: %w", s.args[1], err)
			}
			q.PerMonth, q.Months = uint64(perMonth), *months
		default:
			if q.Profile, err = readProfile(cmd, *profile); err != nil {
				return err
			}
		}
		return tell(s, "/price", web.PriceQuestion{Calls: &q}, func(a web.PriceAnswer) { showPlans(s, *a.Calls, *byMonth) })
	})
}

// checkMonths refuses 0 here: in a question that is the default.
func checkMonths(months, most int) error {
	if months < 1 || months > most {
		return fmt.Errorf("--months %d: write a whole number from 1 to %d", months, most)
	}
	return nil
}

// readProfile reads a number from each line; # begins a comment.
func readProfile(cmd *cobra.Command, name string) (calls []uint64, err error) {
	in, err := input(cmd, name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	lines := bufio.NewScanner(io.LimitReader(in, 1<<20))
	for at := 1; lines.Scan(); at++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		var n count
		if err := n.Set(text); err != nil {
			return nil, fmt.Errorf("%s:%d: %q: %w", name, at, text, err)
		}
		calls = append(calls, uint64(n))
	}
	if len(calls) == 0 && lines.Err() == nil {
		return nil, fmt.Errorf("%s: has no numbers: write the calls of each month in a line", name)
	}
	return calls, lines.Err()
}

// planWords say when a plan buys its package.
var planWords = map[account.Buying]string{
	account.BuyOnce:  "one at the start",
	account.BuyUsed:  "those that are used up, the rest one by one",
	account.BuyCover: "as many as it takes",
}

func showPlans(s *session, q account.Quotation, byMonth bool) {
	months := 0
	var rows [][]string
	var best account.Plan
	for _, p := range q.Plans {
		months = len(p.Months)
		plan, mark := "pay-per-use", "-"
		if p.Package != "" {
			plan = p.Package + ", " + planWords[p.Buy]
		}
		if p.Cheapest {
			mark, best = "cheapest", p
		}
		rows = append(rows, []string{plan, number(p.Purchases), p.Total, p.PerCall, number(p.Unused), mark})
	}
	s.say("%s of %s in %s from now, in %s", many(q.Calls, "call"), q.Operation, many(months, "month"), q.Currency)
	s.say("Price book %s", q.PriceBook)
	s.gap()
	table(s.out, "Plan,>Packages,>Total,>Per call,>Unused calls,", rows...)
	if !byMonth {
		return
	}
	rows = nil
	for _, m := range best.Months {
		rows = append(rows, []string{m.Month.String(), number(m.Calls), number(m.Free), number(m.Packaged), number(m.PayPerUse), m.Purchases, m.Usage, m.Total})
	}
	section(s.out, "The cheapest by month", "Month,>Calls,>Free,>Package,>Pay-per-use,>Purchases,>Usage,>Total", rows)
}

func priceSubscription(noun *cobra.Command) {
	cmd := verb(noun, "subscription", "Find the subscriptions that hold so many images at so many calls a second",
		"  tallygate price subscription --images 2_000_000 --qps 5\n"+
			"  tallygate price subscription --images 60_000_000 --qps 20 --account acme --months 12", cobra.NoArgs)
	cmd.Long = "Finds the rows that hold what is needed, the cheapest first, and what a term of each costs."
	images := counted(cmd, "images", 0, "how many there will be (required)")
	qps := cmd.Flags().Int("qps", 1, "searches and adds in any second")
	months := cmd.Flags().Int("months", 1, "calendar months, 1 to 36")
	service := cmd.Flags().String("service", "search", "that the price book sells subscriptions of")
	id := cmd.Flags().String("account", "", "whose own rows count in")
	action(cmd, func(s *session) error {
		if !cmd.Flags().Changed("images") {
			return errors.New("missing --images: say how many there will be")
		}
		if err := checkMonths(*months, 36); err != nil {
			return err
		}
		q := web.SubscriptionQuestion{Service: *service, Images: int64(*images), QPS: *qps, Months: *months, Account: *id}
		return tell(s, "/price", web.PriceQuestion{Subscription: &q}, func(a web.PriceAnswer) { showRows(s, *a.Subscription) })
	})
}

func showRows(s *session, q account.SubscriptionQuotation) {
	if q.ContactSales {
		s.say("No subscription on sale holds %s at %s a second: contact sales.", many(q.Images, "image"), many(q.QPS, "call"))
		s.say("What they agree on is put on sale with: tallygate row add <account> <row> --images %d --qps %d --price <a month>", q.Images, q.QPS)
		return
	}
	s.say("%s at %s a second, for %s, in %s", many(q.Images, "image"), many(q.QPS, "call"), many(q.Months, "month"), q.Currency)
	s.say("Price book %s", q.PriceBook)
	s.gap()
	var rows [][]string
	for i, r := range q.Rows {
		var notes []string
		if i == 0 {
			notes = append(notes, "cheapest")
		}
		if r.Own {
			notes = append(notes, "for this account only")
		}
		if r.Trial {
			notes = append(notes, "first month free for new customers")
		}
		rows = append(rows, []string{r.Row, number(r.MaxImages), fmt.Sprintf("%d/%d/%d", r.Search, r.Add, r.Delete), r.Price, r.Total, strings.Join(notes, ", ")})
	}
	table(s.out, "Row,>Max images,>QPS search/add/delete,>Price a month,>Total,", rows...)
}
