package billing

import (
	"errors"
	"fmt"
	"time"

	"github.com/tallygate/tallygate/ledger"
)

// stepBlocks is how many blocks one commit takes: within what a transaction of
// an embedded store holds.
const stepBlocks = 16

func (e *Engine) flushLoop() {
	defer e.stopped.Done()
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-tick.C:
			if err := e.Flush(); err != nil {
				e.Logger.Error("the ledger does not follow the journal", "error", err)
			}
		}
	}
}

// Flush folds into the ledger what is in memory. What fails is tried again by
// the next one; until then commands are refused.
func (e *Engine) Flush() error {
	e.flushLock.Lock()
	defer e.flushLock.Unlock()
	if len(e.backlog) == 0 {
		e.backlog = e.collect()
	}
	err := e.drain()
	e.metaLock.Lock()
	e.flushErr = err
	e.metaLock.Unlock()
	if err == nil {
		e.blocks.trim()
	}
	return err
}

func (e *Engine) drain() error {
	for len(e.backlog) > 0 {
		err := e.Store.Commit(e.backlog[0])
		if err != nil && !errors.Is(err, ledger.ErrStale) {
			return fmt.Errorf("folding into the ledger: %w", err)
		}
		e.backlog = e.backlog[1:]
	}
	return nil
}

// collect takes the effects since the last flush, as steps in an order in which
// each may be the last one that is committed: the watermark comes at the end.
func (e *Engine) collect() []ledger.Step {
	e.inputs.Lock()
	defer e.inputs.Unlock()
	var steps []ledger.Step
	step, blocks := ledger.Step{}, 0
	for _, b := range e.blocks.all() {
		if !b.dirty {
			continue
		}
		part := b.step
		part.Blocks = []ledger.Block{b.snapshot()}
		step = join(step, part)
		b.step, b.dirty = ledger.Step{}, false
		if blocks++; blocks%stepBlocks == 0 {
			steps, step = append(steps, step), ledger.Step{}
		}
	}
	if last, ok := e.collectMeta(); ok {
		step = join(step, last)
	}
	if step.Meta != nil || len(step.Blocks) > 0 {
		steps = append(steps, step)
	}
	e.recent.turn()
	return steps
}

func (e *Engine) collectMeta() (ledger.Step, bool) {
	e.metaLock.Lock()
	defer e.metaLock.Unlock()
	if !e.metaDirty {
		return ledger.Step{}, false
	}
	meta := e.meta
	meta.Folded = e.applied
	if len(e.periods) > 0 { // not in every block yet: a restart must see it again
		meta.Folded = min(meta.Folded, e.periods[0].seq-1)
	}
	e.meta.Folded = meta.Folded
	books := e.newBooks
	e.newBooks, e.metaDirty = nil, len(e.periods) > 0
	return ledger.Step{Meta: &meta, Books: books}, true
}

func join(a, b ledger.Step) ledger.Step {
	if b.Meta != nil {
		a.Meta = b.Meta
	}
	a.Blocks = append(a.Blocks, b.Blocks...)
	a.Hours = append(a.Hours, b.Hours...)
	a.Movements = append(a.Movements, b.Movements...)
	a.Answers = append(a.Answers, b.Answers...)
	a.Books = append(a.Books, b.Books...)
	a.Accounts = merge(a.Accounts, b.Accounts)
	a.Keys = merge(a.Keys, b.Keys)
	return a
}

// writable refuses commands while the ledger cannot follow.
func (e *Engine) writable() error {
	e.metaLock.RLock()
	defer e.metaLock.RUnlock()
	if e.flushErr != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, e.flushErr)
	}
	return nil
}
