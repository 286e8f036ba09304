package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/ledger/usage"
	"github.com/tallygate/tallygate/meter/intent"
	"github.com/tallygate/tallygate/meter/tally"
)

// look finds what is missing or damaged, and where it can be had.
func (r *repair) look() error {
	var err error
	r.old, err = openOld(r.path("badger"), r.path(readingDir), r.Logger)
	if errors.Is(err, ledger.ErrNoSpace) || errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("a repair needs room for a second database: %w", err)
	}
	if err != nil {
		r.find(Finding{What: "badger", Problem: err.Error(), Cure: "it is made again"})
	}
	if err := r.lookJournal(); err != nil {
		return err
	}
	if err := r.lookFiles(); err != nil {
		return err
	}
	if err := r.lookCounters(); err != nil {
		return err
	}
	r.plan.Dir = r.Dir
	for _, name := range r.Without {
		if !r.givenUp(name) {
			return fmt.Errorf("--without %s: that file is not missing or damaged", name)
		}
	}
	return nil
}

func (r *repair) givenUp(name string) bool {
	return slices.ContainsFunc(r.losses, func(f billing.NamedFile) bool { return f.Name == name }) || slices.Contains(r.away, name) ||
		slices.ContainsFunc(r.plan.Lost, func(l billing.Lost) bool { return l.File == name }) // by this command, when it was killed
}

// cure is a sealed file that will be written.
type cure struct {
	name    string
	content []byte
}

// lookFiles checks every sealed file that the journal names.
func (r *repair) lookFiles() error {
	var walk billing.FileWalk
	var bad []billing.NamedFile
	why := map[uint64]error{}
	found, _, err := r.source.each(func(rec journal.Record) error {
		r.Progress("checking sealed files", rec.Seq, 0)
		f, named, err := walk.Record(rec)
		if err != nil || !named {
			return err
		}
		r.plan.Files++
		if err := f.Check(r.path("usage")); err != nil {
			bad = append(bad, f)
			why[f.Period] = err
		}
		return nil
	}, nil)
	if err != nil {
		return err
	}
	r.plan.Journal, r.plan.Records, r.plan.Lost = found.Head, found.Head.Seq, walk.Lost()
	bad = slices.DeleteFunc(bad, func(f billing.NamedFile) bool {
		return slices.ContainsFunc(r.plan.Lost, func(l billing.Lost) bool { return l.Period == f.Period })
	})
	if len(bad) == 0 {
		return nil
	}
	inBackups, err := r.fromBackups(bad)
	if err != nil {
		return err
	}
	for _, f := range bad {
		r.lookFile(f, why[f.Period], inBackups[f.Hash])
	}
	return nil
}

// fromBackups finds the files that are wanted in the backups.
func (r *repair) fromBackups(wanted []billing.NamedFile) (map[[32]byte][]byte, error) {
	found := map[[32]byte][]byte{}
	_, _, err := source{dir: r.path("journal"), backups: r.From}.each(nil, func(name string, content []byte) error {
		hash := usage.Hash(content)
		if slices.ContainsFunc(wanted, func(f billing.NamedFile) bool { return f.Hash == hash && f.Name == name }) {
			found[hash] = content
		}
		return nil
	})
	return found, err
}

// lookFile looks for the content of a file: in a backup, in the hours of the
// database, in the counters that it was sealed from.
func (r *repair) lookFile(f billing.NamedFile, why error, backup []byte) {
	finding := Finding{What: filepath.Join("usage", f.Name), Problem: why.Error()}
	period := fmt.Sprintf("the usage of %s to %s", time.Unix(f.Start, 0).UTC().Format(time.RFC3339), f.End().Format(time.RFC3339))
	content, from := backup, "from the backup"
	var tried error
	if content == nil && r.old != nil {
		content, tried = billing.RemakeFromLedger(r.old.store, f)
		from = "from the ledger's hours"
	}
	if content == nil {
		var err error
		if content, err = r.fromCounters(f); err == nil {
			from = "from its counters"
		}
		tried = errors.Join(tried, err)
	}
	switch {
	case content != nil:
		finding.Cure = "it is made again " + from + ", with the hash that the journal names"
		r.cures = append(r.cures, cure{f.Name, content})
	case slices.Contains(r.Without, f.Name):
		finding.Lost, finding.Cure = true, period+" is passed over from now on: nobody is billed for it"
		r.losses = append(r.losses, f)
	default:
		finding.Lost = true
		finding.Way = fmt.Sprintf("%s cannot be had (%s): give a backup that has it with --from, or go on without it: --without %s",
			period, strings.ReplaceAll(tried.Error(), "\n", "; "), f.Name)
	}
	r.find(finding)
}

// fromCounters makes a file again from the tally of its period, if that is there.
func (r *repair) fromCounters(f billing.NamedFile) ([]byte, error) {
	path := r.path(filepath.Join("tally", time.Unix(f.Start, 0).UTC().Format("20060102T150405Z")+".tally"))
	var rows []account.Count
	err := r.onCopy(path, func(copied string) error {
		t, _, err := tally.Open(tally.Config{SyncInterval: -1}, copied)
		if err != nil {
			return err
		}
		for _, c := range t.Each() {
			rows = append(rows, c)
		}
		return t.Close()
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("its counters are gone")
	}
	if err != nil {
		return nil, err
	}
	return billing.Remake(f, rows)
}

// onCopy runs a function that would change what it opens on a copy of it, in a
// folder with copies of what stands beside it under the same stem.
func (r *repair) onCopy(path string, f func(copied string) error) error {
	dir, err := os.MkdirTemp("", "tallygate-repair-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	for _, suffix := range []string{filepath.Ext(path), ".side0", ".side1"} {
		err := copyFile(stem+suffix, filepath.Join(dir, filepath.Base(stem)+suffix))
		if err != nil && !(errors.Is(err, fs.ErrNotExist) && suffix != filepath.Ext(path)) {
			return err
		}
	}
	return f(filepath.Join(dir, filepath.Base(path)))
}

// lookCounters checks the counters that are not sealed yet, and the file of adds
// and deletes under way.
func (r *repair) lookCounters() error {
	paths, err := tally.List(r.path("tally"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, path := range paths {
		err := r.onCopy(path, func(copied string) error {
			t, _, err := tally.Open(tally.Config{SyncInterval: -1}, copied)
			if err == nil {
				err = t.Close()
			}
			return err
		})
		if err != nil {
			r.lookCounter(filepath.Base(path), err)
		}
	}
	err = r.onCopy(r.path("tally/images.intents"), func(copied string) error {
		log, _, err := intent.Open(copied)
		if log != nil {
			log.Close()
		}
		return err
	})
	if errors.Is(err, intent.ErrDamaged) {
		r.find(Finding{What: "tally/images.intents", Problem: intent.ErrDamaged.Error(), Lost: true,
			Cure: "the gateway goes on with what is whole: reconcile the instances that had adds or deletes when it ended"})
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (r *repair) lookCounter(name string, why error) {
	f := Finding{What: filepath.Join("tally", name), Problem: why.Error(), Lost: true,
		Way: "to go on without the calls that it counted: --without " + name}
	if slices.Contains(r.Without, name) {
		f.Cure, f.Way = "it is moved away: the calls that it counted are lost", ""
		r.away = append(r.away, name)
	}
	r.find(f)
}

// cure writes a sealed file and keeps what was there.
func (r *repair) cure(c cure) error {
	path := r.path(filepath.Join("usage", c.name))
	if _, err := os.Lstat(path); err == nil {
		kept := r.keptAs(path)
		if err := os.Rename(path, kept); err != nil {
			return err
		}
		r.kept = append(r.kept, kept)
	}
	failpoint.Hit("repair/curing")
	if err := os.MkdirAll(r.path("usage"), 0o700); err != nil {
		return err
	}
	err := usage.Put(r.path("usage"), c.name, c.content)
	failpoint.Hit("repair/cured")
	return err
}

// moveAway keeps counters under a name that the gateway does not look for.
func (r *repair) moveAway(name string) error {
	path := r.path(filepath.Join("tally", name))
	kept := r.keptAs(path)
	stem, keptStem := strings.TrimSuffix(path, ".tally"), strings.Replace(kept, ".tally", "", 1)
	for _, suffix := range []string{".side0", ".side1"} {
		if err := os.Rename(stem+suffix, keptStem+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	r.kept = append(r.kept, kept)
	return errors.Join(os.Rename(path, kept), syncDir(filepath.Dir(path)))
}
