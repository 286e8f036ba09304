package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/web"
)

func clockCommand(noun *cobra.Command) {
	acceptClock(noun)
	advanceClock(noun)
	noun.Args = cobra.NoArgs
	noun.Long = "Shows event time, which decides hours, months and terms, beside the machine's clock.\n\n" +
		"Where the two disagree by more than five minutes, or the machine's clock was far off when the gateway\n" +
		"started, calls are counted on and commands accepted, but nothing is settled, expires or is released\n" +
		"until the machine's clock is right again or an operator accepts it."
	noun.Example = "  tallygate clock\n  tallygate clock accept 2026-12-01T09:30:00+08:00\n  tallygate clock advance 3d"
	noun.FParseErrWhitelist.UnknownFlags = false // it has flags of its own
	args := noun.RunE                            // refuses what is no verb
	action(noun, func(s *session) error {
		v, err := fetch[web.ClockState](s, "/clock")
		if err != nil {
			return err
		}
		return s.show(v, func() { s.sayClock(v) })
	})
	run := noun.RunE
	noun.Args = nil
	noun.RunE = func(cmd *cobra.Command, words []string) error {
		if len(words) > 0 {
			return args(cmd, words)
		}
		return run(cmd, words)
	}
}

func (s *session) sayClock(v web.ClockState) {
	source := "the machine's clock"
	switch {
	case v.TestClock:
		source = "a test clock"
	case v.Suspended:
		source = "its own count: the machine's clock is doubted since " + instant(v.SuspendedSince)
	}
	wall := strings.TrimSuffix(instant(v.Wall)+", "+disagreement(v.Disagreement), ", ")
	if v.TestClock {
		wall = ""
	}
	facts(s.out, "Event time", instant(v.Now), "Follows", source, "Machine's clock", wall, "Known at start", instant(v.LastKnown), "Releases from", instant(v.ReleasesFrom))
	if v.Suspended {
		s.gap()
		s.say("Nothing is settled, expires or is released until it is right again, or you accept it. If it is right, then within a minute:")
		s.say("  tallygate clock accept %s", v.Wall.Format(time.RFC3339))
	}
}

// disagreement says how far the wall clock is off, empty where it is not.
func disagreement(d time.Duration) string {
	word := "ahead"
	if d < 0 {
		d, word = -d, "behind"
	}
	if d = d.Round(time.Second); d == 0 {
		return ""
	}
	text := ""
	if days := d / (24 * time.Hour); days > 0 {
		text, d = fmt.Sprintf("%dd", days), d%(24*time.Hour)
	}
	if d > 0 {
		text += d.String()
	}
	return text + " " + word
}

func acceptClock(noun *cobra.Command) {
	accept := verb(noun, "accept <instant>", "Accept the machine's clock where it is doubted",
		"  tallygate clock accept 2026-12-01T09:30:00+08:00", named("instant"))
	accept.Long = "Makes the machine's clock the event time, and returns when everything due by then has happened. The instant is\n" +
		"what tallygate clock shows of it, a minute ago at most, so that nobody accepts what nobody has seen.\n\n" +
		"What is settled stays settled, so make sure first that the machine's clock is right. After a jump in either\n" +
		"direction nothing is released for a day: within it, a mistake can be taken back by accepting the right clock."
	action(accept, func(s *session) error {
		wall, err := time.Parse(time.RFC3339, s.args[0])
		if err != nil {
			return fmt.Errorf("%q: write the instant as tallygate clock shows it, such as 2026-12-01T09:30:00+08:00", s.args[0])
		}
		return tell(s, "/clock/accept", web.ClockAcceptance{Wall: wall}, func(v web.ClockState) {
			s.say("It is %s. Nothing is released before %s.", instant(v.Now), instant(v.ReleasesFrom))
		})
	})
}

func advanceClock(noun *cobra.Command) {
	advance := verb(noun, "advance <duration> | --to <instant>", "Move the clock of a test ledger forward",
		"  tallygate clock advance 1h30m\n  tallygate clock advance --to 2026-12-01T00:00:00+08:00", cobra.MaximumNArgs(1))
	advance.Long = "Moves the clock of a test ledger forward, and returns when everything due by then has happened:\n" +
		"settlements, expiries, changes of state. Days are written as 3d."
	to := advance.Flags().String("to", "", "the instant to move to, as 2026-12-01T00:00:00+08:00")
	action(advance, func(s *session) error {
		if (len(s.args) == 1) == (*to != "") {
			return errors.New("give a duration, such as 1h30m or 3d, or an instant with --to")
		}
		return tell(s, "/clock/advance", web.ClockAdvance{By: strings.Join(s.args, ""), To: *to}, func(v web.Clock) {
			s.say("It is %s.", instant(v.Now))
		})
	})
}
