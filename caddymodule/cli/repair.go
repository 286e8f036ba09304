package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/tallygate/tallygate/caddymodule"
	"github.com/tallygate/tallygate/caddymodule/service"
)

func repairCommand(cmd *cobra.Command) {
	cmd.Args = cobra.NoArgs
	cmd.Example = "  tallygate repair --config Caddyfile --dry-run\n  tallygate repair --config Caddyfile\n" +
		"  tallygate repair --config Caddyfile --from monday.backup --from tuesday.backup"
	cmd.Long = "Makes the ledger's database again from its journal and the sealed usage files, while no gateway runs. Of those it\n" +
		"restores first what is damaged or missing: a sealed file from a backup, from the hours of the old database, or from\n" +
		"counters that are still there, and only with the very hash that the journal names; the journal from backups and what\n" +
		"follows them.\n" +
		"It says what it found before it changes anything. What it replaces is kept beside, under a name with \"damaged\".\n\n" +
		"What cannot be had is given up only where you say so: --without leaves out the usage of a period, or counters;\n" +
		"--cut-journal leaves out what came after the damage.\n\n" +
		"Exits with 0 where all was restored, with 1 where something is missing, and with 2 where it could not begin."
	flags := cmd.Flags()
	var c service.RepairConfig
	config := flags.StringP("config", "c", "", "the gateway's configuration, which names ledger and anchor")
	adapter := flags.StringP("adapter", "a", "", "the configuration's format, where the name does not say it")
	flags.StringVar(&c.Dir, "ledger", "", "the ledger's folder, instead of --config")
	flags.StringVar(&c.Anchor, "anchor", "", "the anchor file, with --ledger")
	flags.StringArrayVar(&c.From, "from", nil, "a `backup` to restore from; repeat it for increments, in order")
	flags.StringArrayVar(&c.Without, "without", nil, "the name of a sealed `file` or of counters to go on without; may be repeated")
	flags.BoolVar(&c.CutJournal, "cut-journal", false, "go on without what came after damage of the journal")
	flags.BoolVar(&c.DryRun, "dry-run", false, "only say what was found and would be done")
	quiet := flags.Bool("quiet", false, "show no progress")
	asJSON := flags.Bool("json", false, "print the answer as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.SilenceUsage = true
		if err := locate(&c, *config, *adapter); err != nil {
			return failed(cmd, 2, err)
		}
		s := &session{cmd: cmd, out: cmd.OutOrStdout(), json: *asJSON}
		return repair(s, c, *quiet)
	}
}

// locate takes ledger and anchor from the configuration.
func locate(c *service.RepairConfig, config, adapter string) (err error) {
	switch {
	case config != "" && c.Dir != "":
		return errors.New("give either --config or --ledger")
	case config == "" && c.Dir == "":
		return errors.New("say where the ledger is: --config with the gateway's Caddyfile, or --ledger with its folder")
	case config == "":
		c.Dir, err = filepath.Abs(c.Dir)
		return err
	}
	text, _, _, err := caddycmd.LoadConfig(config, adapter)
	if err == nil {
		c.Dir, c.Anchor, err = caddymodule.LedgerOf(text)
	}
	return err
}

func repair(s *session, c service.RepairConfig, quiet bool) error {
	progress := newSteps(s.cmd.ErrOrStderr(), quiet)
	c.Logger, c.Progress = quietLog(s.cmd.ErrOrStderr()), progress.show
	c.Show = func(p service.Plan) {
		progress.end()
		if !s.json {
			showPlan(s, p)
		}
	}
	done, err := service.Repair(c)
	progress.end()
	if err != nil {
		if !done.Done && len(done.Findings) == 0 && done.Dir == "" { // it could not begin
			return failed(s.cmd, 2, err)
		}
		return err
	}
	if err := s.show(done, func() { showRepaired(s, c, done) }); err != nil {
		return err
	}
	switch {
	case done.Blocked:
		return errors.New("nothing was changed: something is missing, see above for what can be done")
	case done.Missing && done.Done:
		return errors.New("repaired, but something stays missing, see above")
	case done.Missing:
		return errors.New("something would stay missing, see above")
	}
	return nil
}

func showPlan(s *session, p service.Plan) {
	facts(s.out, "Ledger", p.Dir, "Journal", fmt.Sprintf("%d records, head %s", p.Records, hex.EncodeToString(p.Journal.Hash[:])),
		"Sealed files", number(p.Files))
	for _, f := range p.Findings {
		s.gap()
		s.say("%s: %s", f.What, f.Problem)
		switch {
		case f.Cure != "":
			s.say("  → %s", f.Cure)
		default:
			s.say("  → %s", f.Way)
		}
	}
	for _, l := range p.Lost {
		s.gap()
		s.say("%s: passed over since an earlier repair", l.File)
	}
	s.gap()
	if len(p.Findings) == 0 {
		s.say("Journal, sealed files and counters are whole.")
	}
	if !p.Blocked {
		s.say("The database is made again from the journal; the present one is kept.")
	}
}

func showRepaired(s *session, c service.RepairConfig, done service.Repaired) {
	if !done.Done {
		if c.DryRun {
			s.say("Nothing was changed: this was a dry run.")
		}
		return
	}
	s.gap()
	which := "every settlement came out as it did"
	if len(done.Rebuilt.Lost) > 0 {
		which = "every settlement came out as it did, but for those that lost usage went before"
	}
	s.say("Done: %s in the ledger, folded from %s; %s.", many(int64(done.Rebuilt.Meta.Accounts), "account"), many(done.Rebuilt.Records, "record"), which)
	for _, w := range done.Rebuilt.PassedOver {
		s.say("Passed over, since its account refuses it without the lost usage: %s", w)
	}
	for _, d := range done.Dropped {
		s.say("Left out of %s: %s of accounts, packages or operations that came after the cut.", d.File, many(int64(d.Calls), "call"))
	}
	for _, k := range done.Kept {
		s.say("Kept: %s; remove it when all is well.", k)
	}
	if done.PastChain {
		s.say("The anchor %s knows later records: the gateway refuses to start until you remove that file, and so accept the loss.", c.Anchor)
	}
}
