package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/caddymodule/service"
)

func restoreCommand(cmd *cobra.Command) {
	cmd.Args = cobra.MinimumNArgs(1)
	cmd.Example = "  tallygate restore --to ./restored monday.backup tuesday.backup wednesday.backup"
	cmd.Long = "Makes a ledger folder from a full backup and the increments after it, without a gateway. Every record gets the hash\n" +
		"that it had, every settlement is made again and must come out as it did. The folder appears when all of it is there.\n\n" +
		"Let the configuration name the folder then, or move it to where the lost one was. What came after the last backup is\n" +
		"not in it: where the configuration has an anchor, the gateway refuses to start for that reason until you remove the\n" +
		"anchor file and so accept the loss."
	to := cmd.Flags().String("to", "", "the folder to make; it must not be there, or be empty")
	quiet := cmd.Flags().Bool("quiet", false, "show no progress")
	asJSON := cmd.Flags().Bool("json", false, "print the answer as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *to == "" {
			return errors.New("give the folder to make with --to")
		}
		cmd.SilenceUsage = true
		progress := newSteps(cmd.ErrOrStderr(), *quiet)
		made, err := service.Restore(*to, args, quietLog(cmd.ErrOrStderr()), progress.show)
		progress.end()
		if err != nil {
			return err
		}
		s := &session{cmd: cmd, out: cmd.OutOrStdout(), json: *asJSON}
		report := restoreReport{Folder: *to, Ledger: made.Header.Ledger, Accounts: made.Ledger.Meta.Accounts, Records: made.Records,
			Files: made.Files, Head: fmt.Sprintf("%d %x", made.Head.Seq, made.Head.Hash), Last: instant(made.Last.UTC()), Lost: len(made.Ledger.Lost)}
		return s.show(report, func() { report.show(s) })
	}
}

type restoreReport struct {
	Folder   string `json:"folder"`
	Ledger   string `json:"ledger"`
	Accounts uint32 `json:"accounts"`
	Records  uint64 `json:"records"`
	Files    uint64 `json:"files"`
	Head     string `json:"head"`
	Last     string `json:"last"`
	Lost     int    `json:"lost_periods"`
}

func (r restoreReport) show(s *session) {
	facts(s.out, "Folder", r.Folder, "Ledger", r.Ledger, "Accounts", number(r.Accounts), "Records", number(r.Records),
		"Sealed files", number(r.Files), "Head", r.Head, "Last record of", r.Last)
	if r.Lost > 0 {
		s.say("Passed over, since their usage was lost before the backup: %s; tallygate verify lists them.", many(r.Lost, "period"))
	}
	s.gap()
	s.say("The chain is that of the backup, and every settlement came out as it did.")
	s.say("What came after the backup is not in it. If the configuration has an anchor, the gateway refuses this ledger as an older")
	s.say("copy until you accept that: remove the anchor file, then start. The next increment goes on from the last of these backups.")
}
