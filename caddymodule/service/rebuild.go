package service

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/badgerstore"
	"github.com/tallygate/tallygate/ledger/journal"
)

// Progress is told how far a long step has come. It may be called often.
type Progress func(step string, done, total uint64)

// rebuild folds a journal and the sealed files into a new database at dir, reads
// all of it back, and closes it.
func rebuild(dir, usageDir string, j *journal.Journal, log *slog.Logger, progress Progress) (billing.Rebuilt, error) {
	store, err := badgerstore.Open(badgerstore.Config{Dir: dir, Logger: log})
	if err != nil {
		return billing.Rebuilt{}, fmt.Errorf("opening a new ledger: %w", err)
	}
	made, err := billing.Rebuild(billing.RebuildConfig{Store: store, Journal: j, UsageDir: usageDir, ZoneOf: ParseZone, Logger: log,
		Progress: func(done, total uint64) {
			failpoint.Hit("repair/folding")
			progress("folding journal records", done, total)
		}})
	if err = errors.Join(err, store.Close()); err != nil {
		if errors.Is(err, ledger.ErrNoSpace) || errors.Is(err, syscall.ENOSPC) {
			err = fmt.Errorf("there must be room for a new database; give it, and run the same command again: %w", err)
		}
		return made, err
	}
	failpoint.Hit("repair/folded")
	return made, readBack(dir, made, log)
}

// readBack opens a database again and reads what a start reads, and the checksums
// of the rest.
func readBack(dir string, made billing.Rebuilt, log *slog.Logger) error {
	store, err := badgerstore.Open(badgerstore.Config{Dir: dir, Logger: log})
	if err != nil {
		return fmt.Errorf("reading the new ledger back: %w", err)
	}
	highest := uint32(0)
	for b, failed := range store.Blocks() {
		if err = failed; err != nil {
			break
		}
		for _, a := range b.Accounts {
			highest = max(highest, a.Number)
		}
	}
	meta, failed := store.Meta()
	err = errors.Join(err, failed)
	if err == nil && (meta.Folded != made.Head.Seq || highest != made.Meta.Accounts && len(made.PassedOver) == 0) {
		err = fmt.Errorf("it ends with account %d and record %d, want %d and %d", highest, meta.Folded, made.Meta.Accounts, made.Head.Seq)
	}
	if err = errors.Join(err, store.Verified(), store.Close()); err != nil {
		return fmt.Errorf("reading the new ledger back: %w", err)
	}
	return nil
}

// appender writes records that have their hashes to a journal, many to a sync.
type appender struct {
	journal *journal.Journal
	last    journal.Record
	pending journal.Pending
	waiting int // bytes
}

const appendBytes = 4 << 20

func (a *appender) add(r journal.Record) error {
	p, err := a.journal.Append(r.At, r.Kind, r.Payload)
	if err != nil {
		return err
	}
	a.last, a.pending = r, p
	if a.waiting += len(r.Payload); a.waiting > appendBytes {
		return a.wait()
	}
	a.waiting++
	return nil
}

// wait makes durable what was added, and checks that the chain is the same.
func (a *appender) wait() error {
	if a.last.Seq == 0 {
		return nil
	}
	a.waiting = 0
	got, err := a.pending.Wait()
	if err == nil && got.Head() != a.last.Head() {
		err = fmt.Errorf("record %d got another hash than it had", a.last.Seq)
	}
	return err
}

// syncTree makes all names and files below a folder durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return durable.SyncDir(path)
		}
		return syncFile(path)
	})
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
