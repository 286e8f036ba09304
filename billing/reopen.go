package billing

import (
	"errors"
	"fmt"
	"time"

	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
)

// A disk that fails stops the journal or the store: nobody knows whether what
// was being written is there. Both are opened again as soon as they can be, and
// until then nothing is accepted. Variables, so that tests need not wait.
var (
	mendFirst = 100 * time.Millisecond // until the first try, doubled after each
	mendMost  = 5 * time.Second
)

// reopener is a store that can be opened again where it is (ledger.ErrUnknownOutcome).
type reopener interface{ Reopen() error }

// mendLoop opens again what a disk failure stopped.
func (e *Engine) mendLoop() {
	defer e.stopped.Done()
	for {
		select {
		case <-e.stop:
			return
		case <-e.broken:
		}
		if !e.mendUntilDone() {
			return
		}
	}
}

// mendUntilDone reports false where the engine is closed first.
func (e *Engine) mendUntilDone() bool {
	said := false
	for pause := mendFirst; ; pause = min(2*pause, mendMost) {
		select {
		case <-e.stop:
			return false
		case <-time.After(pause):
		}
		err := e.mend()
		if err == nil {
			e.Logger.Info("the disk takes writes again: commands are accepted")
			return true
		}
		if !said {
			e.Logger.Error("after a failure of the disk, journal or ledger cannot be opened again yet; it is tried until it works", "error", err)
			said = true
		}
	}
}

// wakeMender says that something is to be opened again.
func (e *Engine) wakeMender() {
	select {
	case e.broken <- struct{}{}:
	default:
	}
}

// mend tries once to open again what is stopped: the store first, since records
// that are taken up need it.
func (e *Engine) mend() error {
	if err := e.reopenStore(); err != nil {
		return err
	}
	return e.reopenJournal()
}

// stopJournal notes that the journal has failed.
func (e *Engine) stopJournal(err error) {
	e.metaLock.Lock()
	first := e.journalErr == nil
	e.journalErr = err
	e.metaLock.Unlock()
	if first {
		e.Logger.Error("the journal failed: commands are refused until it is opened again", "error", err)
	}
	e.wakeMender()
}

// journalStopped is why no input can be recorded, nil where it can.
func (e *Engine) journalStopped() error {
	e.metaLock.RLock()
	defer e.metaLock.RUnlock()
	return e.journalErr
}

// reopenJournal opens the journal again and takes up the records that turn out
// to be there although nobody was told so. No input is judged or recorded
// meanwhile, nor before all of them are in memory.
func (e *Engine) reopenJournal() error {
	if e.journalStopped() == nil {
		return nil
	}
	e.settleLock.Lock()
	defer e.settleLock.Unlock()
	e.bookLock.Lock()
	defer e.bookLock.Unlock()
	taken, books, err := e.takeUpTail()
	if books && e.Watcher != nil {
		e.Watcher.BookScheduled()
	}
	if err != nil {
		return err
	}
	e.Logger.Info("the journal is open again", "records_found", taken)
	return nil
}

// takeUpTail holds up everything else. It reports how many records it found, and
// whether price books were among them.
func (e *Engine) takeUpTail() (taken int, books bool, err error) {
	e.inputs.Lock()
	defer e.inputs.Unlock()
	if err := e.Journal.Reopen(); err != nil {
		return 0, false, err
	}
	failpoint.Hit("reopen/opened")
	for rec, err := range e.Journal.Read(e.applied + 1) {
		if err == nil {
			err = e.takeUp(rec)
		}
		if err != nil {
			return taken, books, fmt.Errorf("taking up journal record %d: %w", e.applied+1, err)
		}
		failpoint.Hit("reopen/taken-up")
		taken, books = taken+1, books || rec.Kind == inputPriceBook
	}
	if err := e.restoreDoubtful(); err != nil {
		return taken, books, err
	}
	e.metaLock.Lock()
	defer e.metaLock.Unlock()
	e.journalErr = nil
	if e.meta.Accounts > e.given { // numbers of creations that never happened
		e.meta.Accounts, e.metaDirty = e.given, true
	}
	return taken, books, nil
}

// takeUp applies a record that was found, as though its Wait had returned it. The
// caller holds inputs for writing, and settleLock.
func (e *Engine) takeUp(rec journal.Record) error {
	switch rec.Kind {
	case inputCommand:
		return e.foldCommand(rec)
	case inputImages:
		return e.foldImages(rec)
	}
	if err := e.applyGlobal(rec); err != nil {
		return err
	}
	if rec.Kind != inputPeriod {
		return nil
	}
	in, err := decode[periodInput](rec.Seq, rec.Payload)
	if err == nil && (in.File != "" || !in.shortfall().None()) { // else only a month ended
		e.lastSealed = in.Start // to settle it again is to go on with it
	}
	return err
}

// doubt remembers an account whose command may or may not have happened: what
// judge told the watcher of it stays until that is known.
func (e *Engine) doubt(number uint32) {
	e.metaLock.Lock()
	defer e.metaLock.Unlock()
	e.doubtful = append(e.doubtful, number)
}

// restoreDoubtful tells the watcher how the accounts in doubt are. The caller
// holds inputs for writing, so that their blocks are nobody else's.
func (e *Engine) restoreDoubtful() error {
	for _, number := range e.doubtful {
		b, err := e.blocks.lock(ledger.BlockOf(number))
		if err != nil {
			return err
		}
		if a := b.account(number); a != nil && e.Watcher != nil {
			e.Watcher.AccountChanged(a)
		}
		e.blocks.unlock(b)
	}
	e.doubtful = nil
	return nil
}

// reopenStore opens the store again where a commit on it had an unknown outcome.
// Its blocks in memory are ahead of it, and what was being committed is committed
// again: steps are absolute. One that has lost what it had acknowledged must be
// folded from there, which only a start does.
func (e *Engine) reopenStore() error {
	store, can := e.Store.(reopener)
	held, stopped := e.holdFlushes()
	if !stopped || !can || errors.Is(held, ledger.ErrDamaged) {
		return held
	}
	err := store.Reopen()
	if err == nil {
		err = e.nothingForgotten()
	}
	if errors.Is(err, ledger.ErrForgotten) || err == nil {
		e.flushLock.Lock()
		e.noFold = err
		e.flushLock.Unlock()
	}
	if err != nil {
		return err
	}
	if err := e.Flush(); err != nil {
		return err
	}
	e.Logger.Info("the ledger is open again")
	return nil
}

// holdFlushes lets nothing be committed to a store that is stopped, until it is
// known what it holds.
func (e *Engine) holdFlushes() (held error, stopped bool) {
	e.flushLock.Lock()
	defer e.flushLock.Unlock()
	e.metaLock.RLock()
	defer e.metaLock.RUnlock()
	if e.noFold == nil && errors.Is(e.flushErr, ledger.ErrUnknownOutcome) {
		e.noFold = e.flushErr
	}
	return e.noFold, e.noFold != nil
}

// nothingForgotten holds a store that was opened again against what it had
// acknowledged.
func (e *Engine) nothingForgotten() error {
	meta, err := e.Store.Meta()
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	e.metaLock.RLock()
	folded := e.foldedUntil
	e.metaLock.RUnlock()
	if meta.Folded >= folded {
		return nil
	}
	return fmt.Errorf("%w: the journal's records %d to %d: restart the gateway, which folds them again", ledger.ErrForgotten, meta.Folded+1, folded)
}
