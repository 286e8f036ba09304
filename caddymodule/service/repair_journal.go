package service

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger/backup"
	"github.com/tallygate/tallygate/ledger/journal"
)

// source is where the records of the ledger can be had: backups, if any, and after
// them the journal's segments, as far as they follow.
type source struct {
	dir     string // of the journal
	backups []string
}

// each visits all of them, and the sealed files of the backups. Either may be nil.
func (s source) each(record func(journal.Record) error, file func(name string, content []byte) error) (found journal.Salvaged, header *backup.Header, err error) {
	if record == nil {
		record = func(journal.Record) error { return nil }
	}
	var chain backup.Chain
	for _, name := range s.backups {
		if _, err := readBackupFile(name, &chain, billing.BackupVisitor{Record: record, File: file}); err != nil {
			return found, nil, err
		}
	}
	found, err = journal.Salvage(s.dir, chain.Head().Journal(), record)
	return found, chain.First(), err
}

// lookJournal finds out where the journal can end, and what that leaves out.
func (r *repair) lookJournal() error {
	floor := uint64(0)
	if r.old != nil {
		floor = r.old.meta.Folded
	}
	dir := r.path("journal")
	report, damage := journal.Inspect(journal.Config{Dir: dir, Anchor: r.Anchor, Floor: floor})
	if r.anchored = report.Anchor; damage != nil && !errors.Is(damage, journal.ErrDamaged) && !errors.Is(damage, journal.ErrBehindAnchor) {
		return damage
	}
	own, _, err := source{dir: dir}.each(nil, nil)
	if err != nil {
		return err
	}
	r.source = source{dir: dir}
	known := max(floor, r.anchored.Seq)
	if len(r.From) > 0 {
		end, err := r.lookBackups(own)
		if err != nil {
			return err
		}
		if known = max(known, end); damage == nil && end > report.Head.Seq {
			damage = fmt.Errorf("it ends at record %d, and the backup at %d", report.Head.Seq, end)
		}
	}
	if damage == nil {
		return nil
	}
	return r.judgeJournal(damage, known)
}

// lookBackups reads the backups that were given, and refuses those of another
// ledger or history. It returns where they end.
func (r *repair) lookBackups(own journal.Salvaged) (uint64, error) {
	with := source{dir: r.source.dir, backups: r.From}
	var other bool
	found, header, err := with.each(func(rec journal.Record) error {
		other = other || rec.Seq == own.Head.Seq && rec.Hash != own.Head.Hash
		return nil
	}, nil)
	if err != nil {
		return 0, err
	}
	if other || found.Head.Seq < own.Head.Seq || r.old != nil && header.Ledger != r.old.meta.ID {
		return 0, fmt.Errorf("%w: its records are not those of this ledger's journal: give a backup of this ledger, made since it was restored last", backup.ErrForeign)
	}
	return found.Head.Seq, nil
}

// judgeJournal decides how a damaged journal is written anew. Known is the last
// record that is known to have been there.
func (r *repair) judgeJournal(damage error, known uint64) error {
	f := Finding{What: "journal", Problem: damage.Error()}
	var last journal.Record
	otherHistory := false
	try := func(s source) (journal.Salvaged, uint64, error) {
		otherHistory = false
		found, _, err := s.each(func(rec journal.Record) error {
			last = rec
			otherHistory = otherHistory || rec.Seq == r.anchored.Seq && rec.Hash != r.anchored.Hash
			return nil
		}, nil)
		return found, max(found.Beyond, known-min(known, found.Head.Seq)), err
	}
	found, gone, err := try(r.source)
	if err == nil && len(r.From) > 0 && (gone > 0 || otherHistory) {
		r.source.backups = r.From
		found, gone, err = try(r.source)
	}
	if err != nil {
		return err
	}
	r.replace = true
	switch from := time.Unix(0, last.At).UTC().Format(time.RFC3339); {
	case otherHistory:
		f.Lost, f.Way = true, fmt.Sprintf("give a backup of the history that the anchor knows with --from; or, to accept this one, remove %s", r.Anchor)
	case gone == 0:
		f.Cure = fmt.Sprintf("all records up to %d can be read: it is written anew", found.Head.Seq)
	case r.CutJournal && found.Head.Seq > 0:
		f.Lost = true
		f.Cure = fmt.Sprintf("it will end at record %d of %s: what came after it is lost, at least %d records; the damaged one is kept", found.Head.Seq, from, gone)
	case found.Head.Seq == 0: // nothing that a ledger could begin with
		f.Lost = true
		f.Way = fmt.Sprintf("no record of it can be read, and at least %d are gone: give a full backup and its increments with --from", gone)
	default:
		f.Lost = true
		f.Way = fmt.Sprintf("it can be read up to record %d of %s, at least %d records after it cannot: give backups that have them with --from, "+
			"or accept their loss with --cut-journal", found.Head.Seq, from, gone)
	}
	r.find(f)
	return nil
}

// replaceJournal writes the records of the source to a new journal, and puts it in
// the place of the old one, which is kept.
func (r *repair) replaceJournal() error {
	dir := r.path("journal.new")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	lock, err := journal.TakeLock(dir)
	if err != nil {
		return err
	}
	if err := r.writeJournal(dir, lock); err != nil {
		return errors.Join(err, lock.Release())
	}
	if err := r.swap("journal"); err != nil {
		return errors.Join(err, lock.Release())
	}
	old := r.lock
	r.lock = lock
	return old.Release()
}

func (r *repair) writeJournal(dir string, lock *journal.Lock) (err error) {
	j, _, err := journal.Open(journal.Config{Dir: dir, Lock: lock})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	records := appender{journal: j}
	found, _, err := r.source.each(func(rec journal.Record) error {
		failpoint.Hit("repair/record")
		r.Progress("writing the journal anew", rec.Seq, r.plan.Records)
		return records.add(rec)
	}, nil)
	if err == nil {
		err = records.wait()
	}
	if err == nil && j.Head() != found.Head {
		err = fmt.Errorf("the new journal ends at record %d, want %d", j.Head().Seq, found.Head.Seq)
	}
	return err
}
