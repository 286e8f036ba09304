package billing

import (
	"errors"
	"fmt"
	"time"

	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
)

func (e *Engine) flushLoop() {
	defer e.stopped.Done()
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-tick.C:
			e.follow()
		}
	}
}

// follow flushes, and says so once where the ledger cannot follow, and when it
// can again.
func (e *Engine) follow() {
	e.metaLock.RLock()
	before := e.flushErr
	e.metaLock.RUnlock()
	switch err := e.Flush(); {
	case err != nil && before == nil:
		e.Logger.Error("the ledger does not follow the journal; it is tried every second, and commands are refused until it does", "error", err)
	case err == nil && before != nil:
		e.Logger.Info("the ledger follows the journal again")
	}
}

// Flush folds into the ledger what is in memory. What fails is tried again by
// the next one; until then commands are refused.
func (e *Engine) Flush() error {
	e.flushLock.Lock()
	defer e.flushLock.Unlock()
	err := e.noFold
	if err == nil {
		err = e.drain() // what an earlier flush could not commit
	}
	if err == nil {
		e.backlog = e.collect()
		failpoint.Hit("fold/collected")
		err = e.drain()
	}
	if err == nil {
		err = e.storeStopped()
	}
	e.metaLock.Lock()
	e.flushErr = err
	e.metaLock.Unlock()
	if err == nil {
		e.blocks.trim()
	} else if errors.Is(err, ledger.ErrUnknownOutcome) {
		e.wakeMender()
	}
	return err
}

// storeStopped notices a store that stopped although there was nothing to fold.
func (e *Engine) storeStopped() error {
	if _, err := e.Store.Meta(); errors.Is(err, ledger.ErrUnknownOutcome) {
		return err
	}
	return nil
}

// drain commits what was collected. Until all of it is in the ledger the blocks stay
// in memory: read again, they would be older than what was told of them.
func (e *Engine) drain() error {
	for len(e.backlog) > 0 {
		if err := e.Store.Commit(e.backlog[0]); err != nil {
			return fmt.Errorf("folding into the ledger: %w", err)
		}
		failpoint.Hit("fold/committed")
		if m := e.backlog[0].Meta; m != nil {
			e.noteFolded(m.Folded)
		}
		for _, h := range e.backlog[0].Hours {
			spentCharges.Put(&h.Charges)
		}
		e.backlog = e.backlog[1:]
	}
	e.blocks.release(e.collected)
	e.collected = nil
	return nil
}

func (e *Engine) noteFolded(seq uint64) {
	e.metaLock.Lock()
	defer e.metaLock.Unlock()
	e.foldedUntil = seq
}

// collect takes the effects since the last flush, as steps in an order in which
// each may be the last one that is committed: the watermark comes at the end.
func (e *Engine) collect() []ledger.Step {
	e.inputs.Lock()
	defer e.inputs.Unlock()
	var steps packer
	for _, b := range e.blocks.all() {
		if !b.dirty {
			continue
		}
		e.blocks.keep(b)
		e.collected = append(e.collected, b)
		for _, part := range b.takeParts() {
			e.recent.latestOwners(part.Keys)
			steps.add(part)
		}
	}
	if last, ok := e.collectMeta(); ok {
		steps.add(last)
	}
	e.recent.turn()
	return steps.end()
}

func (e *Engine) collectMeta() (ledger.Step, bool) {
	e.metaLock.Lock()
	defer e.metaLock.Unlock()
	if !e.metaDirty {
		return ledger.Step{}, false
	}
	meta := e.meta
	meta.Folded = e.applied
	if len(e.pending) > 0 { // not in every block yet: a restart must see it again
		first := e.pending[0]
		meta.Folded = min(meta.Folded, first.seq-1)
		meta.Policy, meta.Started = first.policy, first.started
	}
	e.meta.Folded = meta.Folded
	books := e.newBooks
	e.newBooks, e.metaDirty = nil, len(e.pending) > 0
	return ledger.Step{Meta: &meta, Books: books}, true
}

// Refusing is why no command is accepted at present, nil where they are.
func (e *Engine) Refusing() error { return e.writable() }

// sound refuses what would be of no use once the ledger serves nothing any more.
func (e *Engine) sound() error {
	if err := e.Store.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// writable refuses inputs that could not be recorded, or not be folded.
func (e *Engine) writable() error {
	if err := e.sound(); err != nil {
		return err
	}
	if err := e.hasRoom(); err != nil { // it says what to do
		return err
	}
	e.metaLock.RLock()
	defer e.metaLock.RUnlock()
	switch {
	case e.journalErr != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, e.journalErr)
	case errors.Is(e.flushErr, ledger.ErrNoSpace) && e.Room != nil: // there was no room, and now there is
		return nil
	case e.flushErr != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, e.flushErr)
	}
	return nil
}

// hasRoom refuses inputs while the disk is too full to fold them.
func (e *Engine) hasRoom() error {
	if e.Room == nil {
		return nil
	}
	if err := e.Room(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}
