package cli

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web"
)

func eventsCommand(cmd *cobra.Command) {
	cmd.Args = named("account")
	cmd.Example = "  tallygate events acme\n  tallygate events acme --after 41"
	cmd.Long = "Lists what happened to an account: states, expiries, renewals, releases, and the notices that its customer gets."
	after := cmd.Flags().Uint32("after", 0, "only those behind this number")
	action(cmd, func(s *session) error {
		all := web.EventList{Events: []web.Event{}, Next: *after}
		for {
			page, err := fetch[web.EventList](s, fmt.Sprintf("%s?limit=1000&after=%d", onAccount(s.args[0], "events"), all.Next))
			if err != nil {
				return err
			}
			all.Account, all.Events, all.Next = page.Account, append(all.Events, page.Events...), page.Next
			if page.Next == 0 {
				break
			}
		}
		return s.show(all, func() {
			var rows [][]string
			for _, e := range all.Events {
				rows = append(rows, []string{number(e.Number), instant(e.At), string(e.Kind), cmp.Or(e.Subject, "-"), cmp.Or(e.Text, "-")})
			}
			list(s.out, "No events.", ">Number,At,Event,Of,Text", rows)
		})
	})
}

func releaseCommand(noun *cobra.Command) {
	noun.Example = "  tallygate release list\n  tallygate release acknowledge acme products"
	pending := verb(noun, "list", "List the releases that nobody has acknowledged", "  tallygate release list", cobra.NoArgs)
	pending.Long = "Lists what was released, and whose data is to be deleted: whole accounts, and single instances. The gateway\n" +
		"tells of each again until it is acknowledged."
	action(pending, listReleases)
	ack := verb(noun, "acknowledge <account> [<instance>]", "Say that the data of what was released is deleted",
		"  tallygate release acknowledge acme\n  tallygate release acknowledge acme products", cobra.RangeArgs(1, 2))
	ack.Long = "Says that your systems have deleted the data: of a released account with all its instances, or of one released\n" +
		"instance, whose name can then be bought anew."
	commandAction(ack, func(s *session, c command) error {
		var body web.ReleaseAcknowledgement
		what := "account " + s.args[0]
		if len(s.args) == 2 {
			body.Instance = s.args[1]
			what = "instance " + s.args[1] + " of " + what
		}
		return change(s, c, "POST", onAccount(s.args[0], "releases", "acknowledge"), body, func(account.AccountAnswer) {
			s.say("The data of %s is deleted, as you say.", what)
		})
	})
}

func listReleases(s *session) error {
	releases, err := fetch[web.ReleaseList](s, "/releases")
	if err != nil {
		return err
	}
	return s.show(releases, func() {
		var rows [][]string
		for _, r := range releases.Releases {
			what := cmp.Or(r.Instance, "all of it")
			if len(r.Instances) > 0 {
				what += ": " + strings.Join(r.Instances, ", ")
			}
			rows = append(rows, []string{r.Account, r.Customer, what, instant(r.Released)})
		}
		list(s.out, "Nothing is to be deleted.", "Account,Customer,To be deleted,Released", rows)
	})
}
