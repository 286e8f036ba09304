package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/web"
)

func verifyCommand(cmd *cobra.Command) {
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.Example = "  tallygate verify\n  tallygate verify acme --json"
	cmd.Long = "Makes the ledger again, from the journal and the sealed usage files alone, and compares: balances, states, usage,\n" +
		"movements, events, statements, images, keys, answers to commands, trials, price books. The journal's chain and the hash\n" +
		"of every sealed file are checked on the way. The gateway goes on meanwhile. Exits with 1 where something differs."
	action(cmd, func(s *session) error {
		path := "/verify"
		if len(s.args) == 1 {
			path += "?account=" + url.QueryEscape(s.args[0])
		}
		report, err := follow(s, request{method: "POST", path: path})
		if err != nil {
			return err
		}
		if err := s.show(report, func() { showVerification(s, report) }); err != nil {
			return err
		}
		if n := len(report.Differences); n > 0 {
			return fmt.Errorf("the ledger differs from its journal in %s", many(n, "place"))
		}
		return nil
	})
}

// follow shows progress until the report comes.
func follow(s *session, r request) (billing.Verification, error) {
	response, err := s.open(s.cmd.Context(), r)
	if err != nil {
		return billing.Verification{}, err
	}
	defer response.Body.Close()
	progress := progressOn(s.cmd.ErrOrStderr())
	lines := json.NewDecoder(response.Body)
	for {
		var line web.VerifyLine
		if err := lines.Decode(&line); err != nil {
			progress.end()
			return billing.Verification{}, fmt.Errorf("the gateway's answer broke off: %w", err)
		}
		switch {
		case line.Progress != nil:
			progress.show(line.Progress.Done, line.Progress.Total)
		case line.Problem != nil:
			progress.end()
			return billing.Verification{}, errors.New(plain(line.Problem.Detail))
		case line.Report != nil:
			progress.end()
			return *line.Report, nil
		}
	}
}

func showVerification(s *session, v billing.Verification) {
	s.say("%s, made again from %s and %s.", many(v.Accounts, "account"), many(v.Inputs, "journal record"), many(v.Files, "sealed file"))
	for _, l := range v.Lost {
		s.say("Passed over, since its usage is lost: %s to %s (%s: %s)", instant(l.Start), instant(l.End), l.File, l.Reason)
	}
	if len(v.Differences) == 0 {
		s.say("The ledger has all of it, and nothing else.")
		return
	}
	var rows [][]string
	for _, d := range v.Differences {
		rows = append(rows, []string{d.Account, d.What, d.Ledger, d.Recomputed})
	}
	section(s.out, "Differences", "Account,What,The ledger has,It should have", rows)
}

// progress is a line that is written over on a terminal, and lines elsewhere:
// one for every tenth of the way.
type progress struct {
	out      io.Writer
	terminal bool
	tenth    uint64
	shown    bool
}

func progressOn(out io.Writer) *progress {
	return &progress{out: out, terminal: isTerminal(out)}
}

func (p *progress) show(done, total uint64) {
	total = max(total, 1)
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[K%d of %d journal records, %d%%", done, total, percent(done, total))
		p.shown = true
		return
	}
	if tenth := percent(done, total) / 10; tenth > p.tenth {
		p.tenth = tenth
		fmt.Fprintf(p.out, "%d of %d journal records, %d%%\n", done, total, percent(done, total))
	}
}

// percent takes care not to wrap.
func percent(done, total uint64) uint64 {
	if total > 1<<56 {
		done, total = done>>8, total>>8
	}
	return min(done, total) * 100 / total
}

// end leaves the line.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
