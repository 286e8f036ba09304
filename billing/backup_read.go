package billing

import (
	"fmt"
	"io"

	"github.com/tallygate/tallygate/ledger/backup"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/ledger/usage"
)

// BackupVisitor takes what is in a backup. Both may be nil.
type BackupVisitor struct {
	File   func(name string, content []byte) error // before the record that names it
	Record func(journal.Record) error
}

// ReadBackup reads a backup from its beginning to its end, and checks all of it:
// the file, its place in the chain of backups (nil where it may stand anywhere),
// and that the sealed files are those that the records name. It is whole only when
// ReadBackup returns no error.
func ReadBackup(in io.Reader, chain *backup.Chain, visit BackupVisitor) (backup.Header, backup.Summary, error) {
	r, err := backup.NewReader(in)
	if err != nil {
		return backup.Header{}, backup.Summary{}, err
	}
	if chain != nil {
		if err := chain.Next(r.Header()); err != nil {
			return r.Header(), backup.Summary{}, err
		}
	}
	c := backupCheck{header: r.Header(), visit: visit, lost: map[uint64]Lost{}}
	for {
		entry, err := r.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = c.entry(entry)
		}
		if err != nil {
			return r.Header(), r.Summary(), err
		}
	}
	if err := c.end(); err != nil {
		return r.Header(), r.Summary(), err
	}
	if chain != nil {
		chain.Done(r.Summary())
	}
	return r.Header(), r.Summary(), nil
}

// backupCheck holds records and files against one another.
type backupCheck struct {
	header  backup.Header
	visit   BackupVisitor
	file    string // that came and is not named yet
	hash    [32]byte
	without []uint64        // periods that name a file that did not come
	lost    map[uint64]Lost // of which it is known why
}

func (c *backupCheck) entry(e backup.Entry) error {
	if e.File != "" {
		if c.file != "" {
			return fmt.Errorf("%w: no record names the file %s", backup.ErrNotWhole, c.file)
		}
		if _, err := usage.Parse(e.File, e.Content); err != nil {
			return fmt.Errorf("%w: %w", backup.ErrNotWhole, err)
		}
		c.file, c.hash = e.File, usage.Hash(e.Content)
		if c.visit.File != nil {
			return c.visit.File(e.File, e.Content)
		}
		return nil
	}
	if err := c.record(e.Record); err != nil {
		return err
	}
	if c.visit.Record != nil {
		return c.visit.Record(e.Record)
	}
	return nil
}

func (c *backupCheck) record(rec journal.Record) error {
	switch rec.Kind {
	case inputLedger:
		in, err := decode[ledgerInput](rec.Seq, rec.Payload)
		if err != nil {
			return err
		}
		if h := c.header; in.ID != h.Ledger || in.Currency != h.Currency || in.Zone != h.Zone || in.Test != h.Test {
			return fmt.Errorf("%w: its header is of ledger %s, its records of %s", backup.ErrNotWhole, h.Ledger, in.ID)
		}
	case inputPeriod:
		in, err := decode[periodInput](rec.Seq, rec.Payload)
		if err != nil {
			return err
		}
		switch {
		case in.File == "":
		case c.file == "":
			c.without = append(c.without, rec.Seq)
		case c.file != in.File || c.hash != [32]byte(in.Hash):
			return fmt.Errorf("%w: the file %s is not the one that record %d names", backup.ErrNotWhole, c.file, rec.Seq)
		default:
			c.file = ""
		}
	}
	if c.file != "" {
		return fmt.Errorf("%w: record %d does not name the file %s", backup.ErrNotWhole, rec.Seq, c.file)
	}
	return noteLost(c.lost, rec)
}

func (c *backupCheck) end() error {
	if c.file != "" {
		return fmt.Errorf("%w: no record names the file %s", backup.ErrNotWhole, c.file)
	}
	for _, seq := range c.without {
		if _, ok := c.lost[seq]; !ok {
			return fmt.Errorf("%w: the sealed file that record %d names is not in it", backup.ErrNotWhole, seq)
		}
	}
	return nil
}
