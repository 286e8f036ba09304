package cli

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/web"
)

func settleCommand(cmd *cobra.Command) {
	cmd.Args = cobra.NoArgs
	cmd.Example = "  tallygate settle"
	cmd.Long = "Ends the open settlement period early, and returns when all that was counted before is debited."
	action(cmd, func(s *session) error {
		return tell(s, "/settle", nil, func(v web.Settled) { s.say("All is settled until %s.", instant(v.SettledUntil)) })
	})
}

// tell sends what is no command of an account: to repeat it does no harm.
func tell[T any](s *session, path string, body any, people func(T)) error {
	return change(s, command{}, "POST", path, body, people)
}

func refusalCommand(noun *cobra.Command) {
	noun.Example = "  tallygate refusal decode <id>"
	decode := verb(noun, "decode <id>", "Tell when, for whom and why a call was refused", "  tallygate refusal decode <id>", named("id"))
	decode.Long = "Reads the refusal id that a denied call was answered with, which this gateway alone can have made."
	action(decode, func(s *session) error {
		r, err := fetch[web.RefusedCall](s, "/refusals/"+url.PathEscape(s.args[0]))
		if err != nil {
			return err
		}
		return s.show(r, func() {
			facts(s.out, "At", instant(r.At), "Account", r.AccountID, "Operation", r.Operation, "Reason", r.Reason)
		})
	})
}

func statusCommand(cmd *cobra.Command) {
	cmd.Args = cobra.NoArgs
	cmd.Example = "  tallygate status\n  tallygate status --address unix//run/tallygate/admin.sock"
	action(cmd, func(s *session) error {
		v, err := fetch[web.Status](s, "/status")
		if err != nil {
			return err
		}
		clock := "wall"
		if v.TestClock {
			clock = "test"
		}
		if v.ClockSuspended {
			clock = "doubted, " + disagreement(v.ClockDisagreement) + ": see tallygate clock"
		}
		settled := v.SettledUntil
		if settled.Unix() == 0 {
			settled = time.Time{} // nothing is settled yet
		}
		return s.show(v, func() {
			facts(s.out, "Ledger", v.Ledger, "Node", v.Node, "Now", instant(v.Now), "Clock", clock, "Billing zone", v.Timezone,
				"Currency", v.Currency, "Accounts", number(v.Accounts), "Settled until", instant(settled), "Settlement lag", lag(v),
				"Last seal", done(v.LastSeal), "Last settlement", done(v.LastSettlement),
				"Counts synced", v.SyncAge.Round(time.Millisecond).String()+" ago (limit "+v.SyncLimit.String()+")",
				"Disk", mebibytes(v.DiskFree)+" free, "+mebibytes(v.DiskReserve)+" needed",
				"Journal head", number(v.JournalHead)+" "+v.JournalHash, "Anchor", anchor(v.Anchor),
				"In the ledger", "up to "+number(v.Folded), "Not countable", number(v.Unmetered),
				"Not settled", money(v.Unsettled, v.Currency), "Debts", money(v.Debts, v.Currency), "Price book", v.PriceBook)
			for _, problem := range v.Problems {
				s.say("Problem: %s", plain(problem))
			}
		})
	})
}

func lag(v web.Status) string {
	if v.SettlementLag == 0 {
		return "none"
	}
	return v.SettlementLag.Round(time.Second).String()
}

func done(d web.Done) string {
	if d.At.IsZero() {
		return "none since the start"
	}
	return instant(d.At) + " (of " + d.From.Format("15:04:05") + "–" + d.Until.Format("15:04:05") + ")"
}

func anchor(a *web.AnchorState) string {
	if a == nil {
		return "none"
	}
	return number(a.Seq) + ", written " + a.Age.Round(time.Millisecond).String() + " ago"
}

func mebibytes(n uint64) string { return fmt.Sprintf("%d MiB", n>>20) }
