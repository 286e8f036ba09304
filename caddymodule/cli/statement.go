package cli

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/web"
)

func statementCommand(cmd *cobra.Command) {
	action(verb(cmd, "list <account>", "List the closed months' statements", "  tallygate statement list acme", named("account")), listStatements)
	show := verb(cmd, "show <account>", "Show an account's statement of a month (the same as without show)",
		"  tallygate statement show acme --month 2026-11", named("account"))
	replayStatement(cmd)
	for _, c := range []*cobra.Command{show, cmd} { // the noun alone shows, too
		c.Args = named("account")
		c.Long = "Shows an account's statement of a calendar month; that of a running month holds what is settled so far."
		month := c.Flags().String("month", "", "as 2026-11 (default: the present one)")
		format := c.Flags().String("format", "table", "table, csv or json")
		action(c, func(s *session) error { return showStatement(s, *month, *format) })
	}
	cmd.Example = "  tallygate statement acme --month 2026-11\n  tallygate statement acme --month 2026-11 --format csv > acme.csv\n" +
		"  tallygate statement list acme\n  tallygate statement replay acme --month 2026-11 --operation recognition/image-tagging"
	cmd.FParseErrWhitelist.UnknownFlags = false // it has flags of its own
}

func showStatement(s *session, month, format string) error {
	month, err := monthOr(s, month)
	if err != nil {
		return err
	}
	path := onAccount(s.args[0], "statements", month)
	switch {
	case s.json || format == "json":
		s.json = true
		v, err := fetch[rating.Statement](s, path)
		if err != nil {
			return err
		}
		return s.show(v, nil)
	case format != "table" && format != "csv":
		return fmt.Errorf("--format %q: write table, csv or json", format)
	}
	a, err := s.send(s.cmd.Context(), request{method: "GET", path: path + "?format=" + format})
	if err != nil {
		return err
	}
	_, err = s.out.Write(a.text)
	return err
}

// monthOr is the month that is asked for, else the gateway's present one.
func monthOr(s *session, month string) (string, error) {
	if month != "" {
		return month, nil
	}
	u, err := fetch[web.Usage](s, onAccount(s.args[0], "usage"))
	return u.Month.String(), err
}

func listStatements(s *session) error {
	closed, err := fetch[web.StatementList](s, onAccount(s.args[0], "statements"))
	if err != nil {
		return err
	}
	return s.show(closed, func() {
		var rows [][]string
		for _, v := range closed.Statements {
			rows = append(rows, []string{v.Number, v.Month.String(), v.Opening, v.Closing, closed.Currency})
		}
		list(s.out, "No month is closed yet.", "Statement,Month,>Opening,>Closing,Currency", rows)
	})
}

// errReplay is how replay ends where the sum is another one.
var errReplay = errors.New("the hours do not sum up to the statement: run tallygate verify")

func replayStatement(noun *cobra.Command) {
	cmd := verb(noun, "replay <account>", "Recompute a line of a statement, hour by hour",
		"  tallygate statement replay acme --month 2026-11 --operation recognition/image-tagging", named("account"))
	cmd.Long = "Recomputes what the statement says of a pay-per-use operation, from the sealed usage files and the price books\n" +
		"that it names. R is the month's charge so far, rounded to the currency's minor unit; an hour debits R after less\n" +
		"R before. Exits with 1 where the hours do not sum up to the statement."
	month := cmd.Flags().String("month", "", "as 2026-11 (default: the present one)")
	operation := cmd.Flags().String("operation", "", "a pay-per-use operation (required)")
	action(cmd, func(s *session) error {
		if *operation == "" {
			return errors.New("missing --operation: say which line, such as recognition/image-tagging")
		}
		month, err := monthOr(s, *month)
		if err != nil {
			return err
		}
		r, err := fetch[billing.Replay](s, onAccount(s.args[0], "statements", month, "replay")+"?operation="+url.QueryEscape(*operation))
		if err != nil {
			return err
		}
		err = s.show(r, func() { showReplay(s, r) })
		if err == nil && !r.Same {
			err = errReplay
		}
		return err
	})
}

func showReplay(s *session, r billing.Replay) {
	head := []string{"Account", r.Account, "Month", r.Month.String(), "Operation", r.Operation}
	for _, hash := range r.PriceBooks {
		head = append(head, "Price book", hash)
	}
	facts(s.out, head...)
	s.gap()
	var rows [][]string
	for _, h := range r.Hours {
		ordinals := "-"
		if h.After > h.Before {
			ordinals = fmt.Sprintf("%d–%d", h.Before+1, h.After)
		}
		rows = append(rows, []string{instant(h.Start), h.File, number(h.Free), number(h.Package), number(h.PayPerUse), ordinals, h.ChargeBefore, h.ChargeAfter, h.Debit})
	}
	rows = append(rows, []string{"Sum", "", "", "", "", "", "", "", r.Debited})
	table(s.out, "Hour,Sealed file,>Free,>Package,>Pay-per-use,>Ordinals,>R before,>R after,>Debit", rows...)
	for _, h := range r.Hours {
		if h.LowerBound != "" {
			s.say("The counts from %s on are a lower bound: %s.", instant(h.Start), h.LowerBound)
		}
	}
	s.gap()
	if r.Same {
		s.say("The statement says %s: the same.", r.Statement)
		return
	}
	s.say("The statement says %s, and the hours sum up to %s.", r.Statement, r.Debited)
}
