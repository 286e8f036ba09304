package billing

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/ledger/usage"
	"github.com/tallygate/tallygate/rating"
)

// sealedPeriod is a period in the journal whose usage is not in every block yet.
type sealedPeriod struct {
	seq     uint64
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
// month ends.
func (e *Engine) Settle(start, length int64, counts []account.Count) error {
	e.settleLock.Lock()
	defer e.settleLock.Unlock()
	settled := e.Meta().Settled
	if start == e.lastSealed && start < settled { // sealed before, and then something failed
		return e.applyPeriods()
	}
	if start < settled {
		return fmt.Errorf("the period at %d was settled before: the ledger is settled until %d", start, settled)
	}
	if len(counts) == 0 && !e.monthEnds(start+length) {
		e.emptyUntil = max(e.emptyUntil, start+length)
		return nil
	}
	in, err := e.seal(start, length, counts)
	if err != nil {
		return err
	}
	in.Since = settled
	err = e.append(inputPeriod, in)
	e.sealed = nil
	if err != nil {
		return err
	}
	e.lastSealed = start
	return e.applyPeriods()
}

// SettledUntil is the instant up to which everything is sealed, rated and
// debited, in Unix seconds.
func (e *Engine) SettledUntil() int64 {
	e.settleLock.Lock()
	defer e.settleLock.Unlock()
	return max(e.Meta().Settled, e.emptyUntil)
}

// Empty says that nothing was counted up to an instant and is not settled yet.
func (e *Engine) Empty(until int64) {
	e.settleLock.Lock()
	defer e.settleLock.Unlock()
	e.emptyUntil = max(e.emptyUntil, until)
}

func (e *Engine) monthEnds(at int64) bool {
	start, _ := rating.MonthBounds(rating.MonthOf(at, e.Zone), e.Zone)
	return start == at
}

// seal writes the sealed file and opens it: what can fail fails before the
// journal has the record. A file of the same name with other content is of a run
// that ended before it could write the record; with the same content it stays,
// since a journal that failed may hold the record all the same.
func (e *Engine) seal(start, length int64, counts []account.Count) (periodInput, error) {
	in := periodInput{Start: start, Length: length}
	if len(counts) == 0 {
		return in, nil
	}
	header := usage.Header{Node: e.Node, Start: start, Length: length, Operations: e.Meta().Operations}
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
	e.meta.Settled = max(e.meta.Settled, in.Start+in.Length)
	if in.File == "" {
		return nil
	}
	file := e.sealed
	if e.recovering {
		e.unflushed += in.Lines
		if file, err = usage.Open(filepath.Join(e.UsageDir, in.File)); err != nil {
			return fmt.Errorf("sealed file %s: %w", in.File, err)
		}
	}
	if info := file.Info(); info.Hash != [32]byte(in.Hash) {
		return fmt.Errorf("sealed file %s is not the one that journal record %d names: its hash is %x", in.File, rec.Seq, info.Hash)
	}
	e.periods = append(e.periods, &sealedPeriod{seq: rec.Seq, file: file,
		period: account.Period{Start: in.Start, End: in.Start + in.Length, Policy: e.meta.Policy,
			Month: uint32(rating.MonthOf(in.Start, e.Zone))}})
	return nil
}

// applyPeriods applies the appended periods to all their blocks, in order. Each
// block is locked alone, so commands go on in between.
func (e *Engine) applyPeriods() error {
	for {
		e.inputs.RLock()
		if len(e.periods) == 0 {
			e.inputs.RUnlock()
			return e.recordResults()
		}
		p := e.periods[0]
		for n := range p.file.Blocks() {
			b, err := e.blocks.lock(n)
			if err != nil {
				e.inputs.RUnlock()
				return fmt.Errorf("settling the period at %d: %w", p.period.Start, err)
			}
			e.blocks.unlock(b)
		}
		e.inputs.RUnlock()
		e.closePeriod(p)
	}
}

// closePeriod ends the application of a period that every block has, and notes
// the hash of what its settlement gave.
func (e *Engine) closePeriod(p *sealedPeriod) {
	e.inputs.Lock()
	e.periods = slices.DeleteFunc(e.periods, func(q *sealedPeriod) bool { return q == p })
	e.inputs.Unlock()
	h := sha256.New()
	for n := range p.file.Blocks() {
		result, ok := p.results.Load(n)
		if !ok {
			return // an earlier run settled part of it: only a refold can tell the whole
		}
		hash := result.([32]byte)
		h.Write(hash[:])
	}
	e.unrecorded[p.seq] = h.Sum(nil)
}

// recordResults journals the hashes of settled periods that have no record yet.
func (e *Engine) recordResults() error {
	if e.recovering {
		return nil // their records may follow
	}
	for seq, hash := range e.unrecorded {
		if err := e.append(inputSettled, settledInput{Input: seq, Hash: hash, Rules: rulesVersion}); err != nil {
			return err
		}
		delete(e.unrecorded, seq)
	}
	return nil
}

// compareResult holds a refolded period against what an earlier run recorded.
func (e *Engine) compareResult(in settledInput) error {
	if !e.recovering {
		return nil
	}
	hash, ok := e.unrecorded[in.Input]
	delete(e.unrecorded, in.Input)
	if ok && !bytes.Equal(hash, in.Hash) {
		return fmt.Errorf("%w: settling journal record %d again gives other charges than it did: hash %x, recorded %x",
			ledger.ErrDamaged, in.Input, hash, in.Hash)
	}
	return nil
}

// catchUp applies to a locked block the periods that it has not got. The caller
// holds inputs.
func (e *Engine) catchUp(b *block) error {
	for _, p := range e.periods {
		if p.seq <= b.folded {
			continue
		}
		counts := p.file.Block(b.number)
		if len(counts) == 0 {
			continue
		}
		if err := e.settleBlock(b, p, counts); err != nil {
			return err
		}
	}
	return nil
}

// settleBlock debits a block's counts of a period: all its accounts or none.
func (e *Engine) settleBlock(b *block, p *sealedPeriod, counts []account.Count) error {
	hour := ledger.BlockHour{Block: b.number, Start: p.period.Start, Length: p.period.End - p.period.Start, Input: p.seq}
	after := b.accounts
	rates := e.rates(p.period.Start)
	for len(counts) > 0 {
		number := counts[0].Account
		n := slices.IndexFunc(counts, func(c account.Count) bool { return c.Account != number })
		if n < 0 {
			n = len(counts)
		}
		a := &account.Account{ID: "(nobody)"}
		if number != 0 {
			if b.account(number) == nil {
				return fmt.Errorf("period at %d: the sealed file counts calls of account %d, which does not exist", p.period.Start, number)
			}
			a = b.account(number).Clone()
			after[number%ledger.BlockSize] = a
		}
		charges, err := a.Settle(p.period, counts[:n], rates, e.Currency)
		if err != nil {
			return err
		}
		hour.Charges = append(hour.Charges, charges...)
		counts = counts[n:]
	}
	e.tellArrears(b.accounts[:], after[:])
	b.accounts, b.folded, b.dirty = after, p.seq, true
	b.step.Hours = append(b.step.Hours, hour)
	p.results.Store(b.number, hashCharges(hour))
	return nil
}

// tellArrears tells the watcher of accounts that a settlement put into arrears.
func (e *Engine) tellArrears(before, after []*account.Account) {
	if e.Watcher == nil {
		return
	}
	for i, a := range after {
		if a != nil && before[i] != nil && a.Arrears != before[i].Arrears {
			e.Watcher.AccountChanged(a)
		}
	}
}

// hashCharges is a hash of a block's charges that does not depend on how the
// ledger stores them.
func hashCharges(h ledger.BlockHour) [32]byte {
	var text []byte
	for _, c := range h.Charges {
		text = fmt.Appendf(text, "%d %d %d %t %d %d %d\n", c.Account, c.Operation, c.Kind, c.Observed, c.Ref, c.Calls, c.Amount)
	}
	return sha256.Sum256(text)
}
