package billing

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/ledger/usage"
	"github.com/tallygate/tallygate/rating"
)

// sealedPeriod is a period in the journal whose usage is not in every block yet.
// File is nil where nothing was counted.
type sealedPeriod struct {
	*pendingInput
	period  account.Period
	file    *usage.File
	results sync.Map // block → [32]byte, the hash of what its charges were
}

// Settle seals the counts of a period and debits them: sealed file, journal
// record, then block by block (D12, D13). When it returns nil the counts are
// the ledger's, and their tally may go. Periods come in order; one that was
// settled before is refused.
//
// Empty periods are recorded together, with the next one that is not, or when a
// month ends: then the statements of the month are closed (D37).
func (e *Engine) Settle(start, length int64, counts []account.Count) error {
	return e.SettleShort(start, length, counts, account.Shortfall{})
}

// SettleShort is Settle for counts of which something may be missing. The
// statements of the month will say so.
func (e *Engine) SettleShort(start, length int64, counts []account.Count, short account.Shortfall) error {
	e.settleLock.Lock()
	defer e.settleLock.Unlock()
	if err := e.sound(); err != nil {
		return err
	}
	settled := e.Meta().Settled
	if start == e.lastSealed && start < settled { // sealed before, and then something failed
		return e.applyPending()
	}
	if start < settled {
		return fmt.Errorf("the period at %d was settled before: the ledger is settled until %d", start, settled)
	}
	if err := e.reach(start); err != nil {
		return err
	}
	if len(counts) == 0 && short.None() {
		return e.reach(start + length)
	}
	if err := e.hasRoom(); err != nil {
		return err
	}
	if err := e.journalStopped(); err != nil { // it may hold the record, whose file must stay
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if e.monthStarts(start + length) { // what is due in the month comes before its end
		if err := e.due(start + length - 1); err != nil {
			return err
		}
	}
	in, err := e.seal(start, length, counts, short)
	if err != nil {
		return err
	}
	failpoint.Hit("settle/sealed")
	in.Since, in.Held = e.Meta().Settled, e.releasesHeld(start+length)
	err = e.append(inputPeriod, in)
	failpoint.Hit("settle/journalled")
	e.sealed = nil
	if err != nil {
		return err
	}
	e.lastSealed = start
	return e.applyPending()
}

// Reach says that everything up to an instant is settled, or empty.
func (e *Engine) Reach(until int64) error {
	e.settleLock.Lock()
	defer e.settleLock.Unlock()
	if err := e.sound(); err != nil {
		return err
	}
	return e.reach(until)
}

// reach passes the ends of months up to an instant, one after the other: what
// is due before an end happens before the month is closed.
func (e *Engine) reach(until int64) error {
	if err := e.applyPending(); err != nil { // left by a failure
		return err
	}
	meta := e.Meta()
	from := max(meta.Created, meta.Settled, e.emptyUntil.Load())
	for {
		_, end := rating.MonthBounds(rating.MonthOf(from, e.Zone), e.Zone)
		if end > until {
			break
		}
		if from = end; end <= e.Meta().Settled { // a settled period ended with the month
			continue
		}
		if err := e.due(end - 1); err != nil {
			return err
		}
		if err := e.hasRoom(); err != nil {
			return err
		}
		if err := e.append(inputPeriod, periodInput{Since: e.Meta().Settled, Start: end - 1, Length: 1, Held: e.releasesHeld(end)}); err != nil {
			return err
		}
		if err := e.applyPending(); err != nil {
			return err
		}
	}
	e.emptyUntil.Store(max(e.emptyUntil.Load(), until))
	return nil
}

// SettledUntil is the instant up to which everything is sealed, rated and
// debited, in Unix seconds.
func (e *Engine) SettledUntil() int64 {
	e.settleLock.Lock()
	defer e.settleLock.Unlock()
	return max(e.Meta().Settled, e.emptyUntil.Load())
}

// seal writes the sealed file and opens it: what can fail fails before the
// journal has the record. A file of the same name with other content is of a run
// that ended before it could write the record; with the same content it stays,
// since a journal that failed may hold the record all the same.
func (e *Engine) seal(start, length int64, counts []account.Count, short account.Shortfall) (periodInput, error) {
	in := periodInput{Start: start, Length: length}
	in.setShortfall(short)
	if len(counts) == 0 {
		return in, nil
	}
	header := usage.Header{Node: e.Node, Start: start, Length: length, Operations: e.Meta().Operations, Damaged: short.Damaged}
	path := filepath.Join(e.UsageDir, header.Name())
	info, err := usage.Write(e.UsageDir, header, counts)
	if errors.Is(err, usage.ErrConflict) {
		if err = os.Remove(path); err == nil {
			info, err = usage.Write(e.UsageDir, header, counts)
		}
	}
	if err == nil {
		e.sealed, err = usage.Open(path)
	}
	if err != nil {
		return in, fmt.Errorf("sealing the period: %w", err)
	}
	in.File, in.Hash, in.Lines, in.Billed = info.Name, info.Hash[:], info.Sum.Lines, info.Sum.Billed
	return in, nil
}

// openPeriod makes a period in the journal one to be applied. The caller holds
// inputs for writing and the meta lock.
func (e *Engine) openPeriod(rec journal.Record) error {
	in, err := decode[periodInput](rec.Seq, rec.Payload)
	if err != nil {
		return err
	}
	p := &sealedPeriod{period: account.Period{Start: in.Start, End: in.Start + in.Length,
		Month: uint32(rating.MonthOf(in.Start, e.Zone))}}
	if _, lost := e.lost[rec.Seq]; in.File != "" && !lost {
		if p.file, err = e.sealedFile(rec, in); err != nil {
			return err
		}
	}
	e.meta.Settled = max(e.meta.Settled, in.Start+in.Length)
	e.noteShortfall(rec.Seq, in)
	if p.file == nil && !p.closesMonth(e) {
		return nil
	}
	p.pendingInput = e.newPending(rec.Seq, in.Held, p.concerns)
	p.apply = func(b *block) error { return e.settleBlock(b, p) }
	p.end = func() { e.noteResult(p) }
	e.pending = append(e.pending, p.pendingInput)
	return nil
}

// sealedFile is the file that a period names, as it was sealed.
func (e *Engine) sealedFile(rec journal.Record, in periodInput) (*usage.File, error) {
	if e.sealed != nil {
		return e.sealed, checkSealed(e.sealed, in, rec.Seq)
	}
	e.unflushed += in.Lines
	return e.openSealed(in, rec.Seq)
}

// openSealed reads the sealed file of a journal record.
func (e *Engine) openSealed(in periodInput, seq uint64) (*usage.File, error) {
	file, err := usage.Open(filepath.Join(e.UsageDir, in.File))
	if err != nil {
		return nil, fmt.Errorf("sealed file %s: %w: %s", in.File, err, ledger.WayOut)
	}
	return file, checkSealed(file, in, seq)
}

// checkSealed refuses a sealed file that is not the one of a journal record.
func checkSealed(file *usage.File, in periodInput, seq uint64) error {
	if hash := file.Info().Hash; hash != [32]byte(in.Hash) {
		return fmt.Errorf("%w: sealed file %s is not the one that journal record %d names: its hash is %x, and must be %x: %s",
			usage.ErrDamaged, in.File, seq, hash, in.Hash, ledger.WayOut)
	}
	return nil
}

// closesMonth reports whether a month ends with the period. That is for every
// block.
func (p *sealedPeriod) closesMonth(e *Engine) bool { return e.monthStarts(p.period.End) }

func (e *Engine) monthStarts(at int64) bool {
	start, _ := rating.MonthBounds(rating.MonthOf(at, e.Zone), e.Zone)
	return start == at
}

func (p *sealedPeriod) concerns(e *Engine, yield func(block uint32)) {
	if p.closesMonth(e) {
		for n := range ledger.BlockOf(e.meta.Accounts) + 1 {
			yield(n)
		}
		return
	}
	for n := range p.file.Blocks() {
		yield(n)
	}
}

// spentCounts are those of blocks that are debited: the charges have their own.
var spentCounts = sync.Pool{New: func() any { return new([]account.Count) }}

// settleBlock debits a block's counts of a period, and closes its statements
// where a month ends: all its accounts or none.
func (e *Engine) settleBlock(b *block, p *sealedPeriod) (err error) {
	c := e.changeOf(b)
	if p.file != nil {
		counts := spentCounts.Get().(*[]account.Count)
		*counts = p.file.AppendBlock((*counts)[:0], b.number)
		err = e.debit(c, p, *counts)
		spentCounts.Put(counts)
	}
	if err == nil && p.closesMonth(e) {
		err = c.closeMonths(p.period.End)
	}
	if err != nil {
		if b.own() { // and half changed
			b.forget()
		}
		return err
	}
	c.commit(p.seq)
	failpoint.Hit("settle/block")
	return nil
}
