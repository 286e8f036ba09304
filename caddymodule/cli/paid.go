package cli

import (
	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/web"
)

// ask is what a command sends: to where, and what.
type ask struct {
	path string
	body any
}

// previewed is a commandAction on money, which can be seen before it happens.
func previewed[T any](cmd *cobra.Command, what func(*session) (ask, error), people func(*session, T)) {
	preview := cmd.Flags().Bool("preview", false, "show what it would cost now and in five minutes; nothing happens")
	commandAction(cmd, func(s *session, c command) error {
		a, err := what(s)
		if err != nil {
			return err
		}
		if *preview {
			return showPreview(s, a)
		}
		return change(s, c, "POST", a.path, a.body, func(v T) { people(s, v) })
	})
}

// purchase is a previewed command whose price the caller may bound.
func purchase[T any](cmd *cobra.Command, what func(*session, web.Agreed) (ask, error), people func(*session, T)) {
	most := cmd.Flags().String("max-amount", "", "refuse if more than this is due; negative: the least credit")
	previewed(cmd, func(s *session) (ask, error) { return what(s, web.Agreed{MaxAmount: *most}) }, people)
}

func showPreview(s *session, a ask) error {
	return change(s, command{}, "POST", a.path+"/preview", a.body, func(p web.Preview) {
		var rows [][]string
		for _, v := range []web.Previewed{p.Now, p.Later} {
			row := []string{instant(v.At), v.Amount, v.Balance, term(v)}
			if v.Refused != nil {
				row = []string{instant(v.At), "-", "-", "refused: " + v.Refused.Detail}
			}
			rows = append(rows, row)
		}
		s.say("Nothing has happened. Amounts in %s; a negative one is credited.", p.Now.Currency)
		s.gap()
		table(s.out, "At,>Would pay,>Balance after,Term", rows...)
		if s.cmd.Flags().Lookup("max-amount") != nil {
			s.gap()
			s.say("To agree to no more than this, run it with --max-amount=%s.", p.Now.Amount)
		}
	})
}

func term(v web.Previewed) string {
	if v.Start.IsZero() {
		return "-"
	}
	return instant(v.Start) + " to " + instant(v.End)
}
