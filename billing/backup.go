package billing

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/backup"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/ledger/usage"
)

// Backup is a backup that can be made now.
type Backup struct {
	engine *Engine
	header backup.Header
	lost   map[uint64]Lost // read when a file is missing
}

// Backup prepares a backup of all that is in the journal now, with a zero head,
// or of what came since an earlier one, whose ledger and head are given. The
// refusal of one that is not of this history is an *account.Error.
func (e *Engine) Backup(id string, since journal.Head) (*Backup, error) {
	meta, head := e.Meta(), e.Journal.Head()
	refuse := func(format string, args ...any) (*Backup, error) {
		return nil, &account.Error{Why: account.Conflict, Field: "since", Text: fmt.Sprintf(format, args...) + ": make a full backup"}
	}
	if since.Seq > 0 {
		if id != meta.ID {
			return refuse("the earlier backup is of ledger %s, this is ledger %s", id, meta.ID)
		}
		if since.Seq > head.Seq {
			return refuse("the earlier backup ends at record %d, this ledger at %d: it was replaced by an older copy", since.Seq, head.Seq)
		}
		known, err := e.recordAt(since.Seq)
		if err != nil {
			return nil, err
		}
		if known.Hash != since.Hash {
			return refuse("record %d of this ledger is not the one that the earlier backup ends with: they are two histories, as after a restore", since.Seq)
		}
	}
	return &Backup{engine: e, header: backup.Header{Ledger: meta.ID, Currency: meta.Currency, Zone: meta.Zone, Test: meta.Test,
		Made: e.Now() / int64(time.Second), From: backup.Of(since), Until: head.Seq}}, nil
}

func (e *Engine) recordAt(seq uint64) (journal.Record, error) {
	for rec, err := range e.Journal.Read(seq) {
		return rec, err
	}
	return journal.Record{}, fmt.Errorf("the journal has no record %d", seq)
}

// Write writes the backup while the ledger goes on. What keeps it from being whole
// is said in the file, too.
func (b *Backup) Write(ctx context.Context, out io.Writer) error {
	w, err := backup.NewWriter(out, b.header)
	if err != nil {
		return err
	}
	if err := b.entries(ctx, w); err != nil {
		w.Fail(err) // who does not read it any more cannot be told
		return err
	}
	_, err = w.Close()
	return err
}

func (b *Backup) entries(ctx context.Context, w *backup.Writer) error {
	for rec, err := range b.engine.Journal.Read(b.header.From.Seq + 1) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("reading the journal: %w", err)
		}
		if rec.Seq > b.header.Until {
			break
		}
		if rec.Kind == inputPeriod {
			if err := b.file(w, rec); err != nil {
				return err
			}
		}
		if err := w.Record(rec); err != nil {
			return err
		}
		failpoint.Hit("backup/record")
	}
	return nil
}

// file adds the sealed file that a period names, unless it is known to be lost.
func (b *Backup) file(w *backup.Writer, rec journal.Record) error {
	in, err := decode[periodInput](rec.Seq, rec.Payload)
	if err != nil || in.File == "" {
		return err
	}
	content, err := sealedContent(b.engine.UsageDir, in)
	if err == nil {
		return w.File(in.File, content)
	}
	if b.lost == nil {
		var failed error
		if b.lost, failed = lostPeriods(b.engine.Journal, rec.Seq); failed != nil {
			return failed
		}
	}
	if _, lost := b.lost[rec.Seq]; lost {
		return nil
	}
	return fmt.Errorf("sealed file %s of journal record %d: %w", in.File, rec.Seq, err)
}

// sealedContent reads the file that a period names, and checks that it is the one.
func sealedContent(dir string, in periodInput) ([]byte, error) {
	content, err := os.ReadFile(filepath.Join(dir, in.File))
	if err == nil {
		_, err = usage.Parse(in.File, content)
	}
	if err == nil && usage.Hash(content) != [32]byte(in.Hash) {
		err = fmt.Errorf("%w: its hash is %x, the journal names %x", usage.ErrDamaged, usage.Hash(content), in.Hash)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, ledger.WayOut)
	}
	return content, nil
}
