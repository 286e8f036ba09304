package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger/backup"
)

func backupCommand(cmd *cobra.Command) {
	check := verb(cmd, "verify <file>…", "Check backups, without a gateway",
		"  tallygate backup verify monday.backup tuesday.backup", cobra.MinimumNArgs(1))
	check.Long = "Reads backups from beginning to end and checks every byte of them: a full one, then its increments in order."
	asJSON := check.Flags().Bool("json", false, "print the answer as JSON")
	check.RunE = func(cmd *cobra.Command, args []string) error {
		s := &session{cmd: cmd, args: args, out: cmd.OutOrStdout(), json: *asJSON}
		return verifyBackups(s)
	}

	cmd.Args = cobra.NoArgs
	cmd.FParseErrWhitelist.UnknownFlags = false // it is no noun alone
	cmd.Example = "  tallygate backup --settle --to monday.backup\n  tallygate backup --since monday.backup --to tuesday.backup"
	cmd.Long = "Writes a backup of the running gateway's ledger: every record of its journal, and every sealed usage file, hashed. With\n" +
		"--since it holds only what came since an earlier backup, and is restored after that one. The gateway goes on meanwhile.\n\n" +
		"Calls of the settlement period that is still open are not in it: --settle ends the period first. Images whose add or\n" +
		"delete is under way are not in it either. Nothing in it is secret: API keys are there as hashes. The key of refusal\n" +
		"ids is left out for that reason, so a restored gateway does not decode ids from before.\n\n" +
		"The file gets its name when it is whole, durable and was read back. Restore it with: tallygate restore"
	flags := cmd.Flags()
	to := flags.String("to", "", "the file to write; it must not exist")
	since := flags.String("since", "", "the backup before this one: write what came since")
	settle := flags.Bool("settle", false, "settle first what is counted so far")
	quiet := flags.Bool("quiet", false, "show no progress")
	action(cmd, func(s *session) error {
		if *to == "" {
			return errors.New("give the file to write with --to")
		}
		return makeBackup(s, *to, *since, *settle, *quiet)
	})
}

// backupReport is what a backup holds.
type backupReport struct {
	File   string        `json:"file"`
	Header backup.Header `json:"header"`
	backup.Summary
}

func makeBackup(s *session, to, since string, settle, quiet bool) error {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s exists: choose another name, or move it away", to)
	}
	path := "/backup"
	if since != "" {
		earlier, err := readBackup(since, nil)
		if err != nil {
			return err
		}
		path += "?" + url.Values{"ledger": {earlier.Header.Ledger}, "seq": {fmt.Sprint(earlier.Head.Seq)},
			"hash": {fmt.Sprintf("%x", earlier.Head.Hash)}}.Encode()
	}
	if settle {
		if _, err := s.send(s.cmd.Context(), request{method: "POST", path: "/settle"}); err != nil {
			return fmt.Errorf("settling first: %w", err)
		}
	}
	report, err := s.fetchBackup(path, to, quiet)
	if err != nil {
		return err
	}
	return s.show(report, func() { showBackups(s, []backupReport{report}) })
}

// fetchBackup leaves a whole file or none, also where it is interrupted.
func (s *session) fetchBackup(path, to string, quiet bool) (report backupReport, err error) {
	ctx, stop := signal.NotifyContext(cmp.Or(s.cmd.Context(), context.Background()), os.Interrupt, syscall.SIGTERM)
	defer stop()
	temp := to + ".tmp"
	defer func() {
		if err != nil {
			os.Remove(temp)
		}
	}()
	if err := s.download(ctx, path, temp, quiet); err != nil {
		return report, err
	}
	if report, err = readBackup(temp, nil); err != nil {
		return report, err
	}
	if err := os.Rename(temp, to); err != nil {
		return report, err
	}
	failpoint.Hit("backup/renamed")
	report.File = to
	return report, durable.SyncDir(filepath.Dir(to))
}

// download writes what the gateway answers to a file, as it comes.
func (s *session) download(ctx context.Context, path, temp string, quiet bool) error {
	response, err := s.open(ctx, request{method: "GET", path: path})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	progress := newCounter(s.cmd.ErrOrStderr(), quiet)
	_, err = io.Copy(io.MultiWriter(file, progress), response.Body)
	progress.end()
	if err != nil {
		err = fmt.Errorf("the backup broke off, nothing is left of it: %w", err)
	} else if err = file.Sync(); err == nil {
		failpoint.Hit("backup/written")
	}
	return errors.Join(err, file.Close())
}

func verifyBackups(s *session) error {
	var chain backup.Chain
	var all []backupReport
	for _, name := range s.args {
		report, err := readBackup(name, &chain)
		if err != nil {
			return err
		}
		all = append(all, report)
	}
	return s.show(all, func() {
		showBackups(s, all)
		s.say("All is whole: %s can be restored up to record %d.", all[0].Header.Ledger, chain.Head().Seq)
	})
}

// readBackup checks all of a file.
func readBackup(name string, chain *backup.Chain) (backupReport, error) {
	file, err := os.Open(name)
	if err != nil {
		return backupReport{}, err
	}
	defer file.Close()
	header, summary, err := billing.ReadBackup(file, chain, billing.BackupVisitor{})
	if err != nil {
		return backupReport{}, fmt.Errorf("%s: %w", name, err)
	}
	return backupReport{File: name, Header: header, Summary: summary}, nil
}

func showBackups(s *session, all []backupReport) {
	for i, b := range all {
		if i > 0 {
			s.gap()
		}
		kind := "full"
		if !b.Header.Full() {
			kind = "what came after record " + number(b.Header.From.Seq)
		}
		facts(s.out, "File", b.File, "Ledger", b.Header.Ledger, "Backup", kind, "Begun", instant(time.Unix(b.Header.Made, 0).UTC()),
			"Records", number(b.Records), "Sealed files", number(b.Files), "Bytes", number(b.Bytes),
			"Head", fmt.Sprintf("%d %x", b.Head.Seq, b.Head.Hash[:]))
	}
}
