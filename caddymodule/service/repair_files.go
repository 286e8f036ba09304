package service

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/ledger/usage"
)

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
