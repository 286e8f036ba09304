package cli

import (
	"github.com/spf13/cobra"

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
