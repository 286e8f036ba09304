package service

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger/backup"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/ledger/usage"
)

// Restored is what a restore made.
type Restored struct {
	Header  backup.Header // of the full backup
	Head    journal.Head  // of the journal, as the last backup's trailer says
	Records uint64        // in all
	Files   uint64        // sealed usage
	Last    time.Time     // instant of the last record
	Ledger  billing.Rebuilt
}

// Restore makes a ledger folder from a full backup and its increments. The folder
// must not be there, or be empty. It is built beside its place and moved there when
// it is whole, so that a kill leaves nothing that a gateway could take for it.
func Restore(folder string, files []string, log *slog.Logger, progress Progress) (made Restored, err error) {
	folder, err = filepath.Abs(folder)
	if err != nil {
		return made, err
	}
	if entries, err := os.ReadDir(folder); err == nil && len(entries) > 0 {
		return made, fmt.Errorf("%s is not empty: restore to a folder that is not there, then let the configuration name it", folder)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return made, err
	}
	build := folder + ".restoring"
	lock, err := beginBuild(build)
	if err != nil {
		return made, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(build))
		}
		err = errors.Join(err, lock.Release())
	}()
	r := restore{dir: build, lock: lock, log: log, progress: progress}
	if made, err = r.build(files); err != nil {
		return made, err
	}
	if err := syncTree(build); err != nil {
		return made, err
	}
	failpoint.Hit("restore/built")
	if err := os.Rename(build, folder); err != nil {
		return made, err
	}
	failpoint.Hit("restore/renamed")
	return made, durable.SyncDir(filepath.Dir(folder))
}

// beginBuild makes an empty folder, in place of what an earlier restore that was
// killed left.
func beginBuild(build string) (*journal.Lock, error) {
	if _, err := os.Lstat(build); err == nil {
		lock, err := journal.TakeLock(filepath.Join(build, "journal")) // somebody may be at it
		if err != nil {
			return nil, err
		}
		if err := errors.Join(os.RemoveAll(build), lock.Release()); err != nil {
			return nil, err
		}
	}
	for _, dir := range []string{"badger", "usage", "tally"} {
		if err := os.MkdirAll(filepath.Join(build, dir), 0o700); err != nil {
			return nil, err
		}
	}
	return journal.TakeLock(filepath.Join(build, "journal"))
}

type restore struct {
	dir      string
	lock     *journal.Lock
	log      *slog.Logger
	progress Progress
}

func (r *restore) build(files []string) (made Restored, err error) {
	j, _, err := journal.Open(journal.Config{Dir: filepath.Join(r.dir, "journal"), Lock: r.lock})
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if err := r.read(j, files, &made); err != nil {
		return made, err
	}
	if made.Head != j.Head() {
		return made, fmt.Errorf("the journal ends at record %d with another hash than the backup", j.Head().Seq)
	}
	failpoint.Hit("restore/read")
	made.Ledger, err = rebuild(filepath.Join(r.dir, "badger"), filepath.Join(r.dir, "usage"), j, r.log, r.progress)
	if err == nil && made.Header.Test { // its clock stands where the ledger last saw it
		err = durable.Replace(filepath.Join(r.dir, "clock"), []byte(made.Last.UTC().Format(time.RFC3339Nano)+"\n"))
	}
	return made, err
}

// read writes what is in the backups to journal and usage files.
func (r *restore) read(j *journal.Journal, files []string, made *Restored) error {
	var chain backup.Chain
	records := appender{journal: j}
	for _, name := range files {
		visit := billing.BackupVisitor{
			File: func(name string, content []byte) error {
				return usage.Put(filepath.Join(r.dir, "usage"), name, content)
			},
			Record: func(rec journal.Record) error {
				failpoint.Hit("restore/record")
				r.progress("reading records of "+filepath.Base(name), rec.Seq, 0)
				if at := time.Unix(0, rec.At); at.After(made.Last) {
					made.Last = at
				}
				return records.add(rec)
			},
		}
		summary, err := readBackupFile(name, &chain, visit)
		if err != nil {
			return err
		}
		made.Records, made.Files = made.Records+summary.Records, made.Files+summary.Files
	}
	if err := records.wait(); err != nil {
		return err
	}
	made.Header, made.Head = *chain.First(), chain.Head().Journal()
	return nil
}

// readBackupFile reads a backup and checks all of it.
func readBackupFile(name string, chain *backup.Chain, visit billing.BackupVisitor) (backup.Summary, error) {
	file, err := os.Open(name)
	if err != nil {
		return backup.Summary{}, err
	}
	defer file.Close()
	_, summary, err := billing.ReadBackup(file, chain, visit)
	if err != nil {
		return summary, fmt.Errorf("%s: %w", name, err)
	}
	return summary, nil
}
