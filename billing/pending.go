package billing

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
)

// pendingInput is an input for many blocks that is in the journal and not in
// every block yet. Policy and start are those in force when it was appended.
type pendingInput struct {
	seq     uint64
	policy  account.Policy
	started int64           // see ledger.Meta
	held    bool            // see Engine.releasesHeld
	blocks  map[uint32]bool // that it concerns
	apply   func(*block) error
	end     func() // once every block has it; may be nil
}

// newPending captures what an input is applied with. The caller holds inputs
// for writing and the meta lock.
func (e *Engine) newPending(seq uint64, held bool, concerns func(e *Engine, yield func(block uint32))) *pendingInput {
	p := &pendingInput{seq: seq, policy: e.meta.Policy, started: e.meta.Started, held: held, blocks: map[uint32]bool{}}
	concerns(e, func(n uint32) {
		if e.folds(n) {
			p.blocks[n] = true
		}
	})
	if e.recovering {
		e.unflushed += linesOfRecord * len(p.blocks)
	}
	return p
}

// env is the environment of the input's accounts at an instant (Unix seconds).
func (p *pendingInput) env(e *Engine, unix int64) account.Env {
	env := e.envAt(unix)
	env.Policy, env.Floor, env.TrialTaken = p.policy, floorOf(p.started, p.held), nil
	return env
}

// applyPending applies the appended inputs to all their blocks, in order. Each
// block is visited alone, so that commands and flushes go on in between, and what
// many blocks hold in memory is flushed on the way.
func (e *Engine) applyPending() error {
	for p := e.firstPending(); p != nil; p = e.firstPending() {
		at := e.blocksAtOnce()
		for some := range slices.Chunk(slices.Sorted(maps.Keys(p.blocks)), at) {
			if err := e.applyTo(some, len(some) == at); err != nil {
				return err
			}
		}
		failpoint.Hit("settle/applied")
		e.inputs.Lock()
		e.pending = slices.DeleteFunc(e.pending, func(q *pendingInput) bool { return q == p })
		e.inputs.Unlock()
		if p.end != nil {
			p.end()
		}
	}
	return e.recordResults()
}

// blocksAtOnce is after how many blocks there is a flush. A start has nobody to be
// kept waiting, and many inputs to fold.
func (e *Engine) blocksAtOnce() int {
	if e.recovering {
		return foldBlocks
	}
	return flushBlocks
}

// applyTo visits blocks in order, flushes them, and rests for a part of the time that
// it took: calls and commands come first. The last ones others may join.
func (e *Engine) applyTo(numbers []uint32, flush bool) error {
	began := time.Now()
	if err := e.readAhead(numbers); err != nil {
		return err
	}
	for _, n := range numbers {
		if err := e.visit(n); err != nil {
			return err
		}
	}
	if !flush {
		return nil
	}
	err := e.Flush()
	if e.recovering {
		if errors.Is(err, ledger.ErrNoSpace) { // it stays in memory, as all that a start folds: see flushFolded
			err = nil
		}
		return err
	}
	time.Sleep(min(time.Since(began)/5, restMax))
	return err
}

// restMax bounds a rest on a machine, or under a debugger, that is very slow.
const restMax = 20 * time.Millisecond

// readAhead reads blocks in one go, if there are many of them. No flush is on its way
// meanwhile: it would make what is read the older one.
func (e *Engine) readAhead(numbers []uint32) error {
	first, last := numbers[0], numbers[len(numbers)-1]
	if int(last-first) > 2*len(numbers) {
		return nil
	}
	e.flushLock.Lock()
	defer e.flushLock.Unlock()
	for stored, err := range e.Store.BlocksBetween(first, last) {
		if err != nil {
			return err
		}
		e.blocks.put(stored)
	}
	return nil
}

func (e *Engine) firstPending() *pendingInput {
	e.inputs.RLock()
	defer e.inputs.RUnlock()
	if len(e.pending) == 0 {
		return nil
	}
	return e.pending[0]
}

// visit locks a block, which applies to it what is pending.
func (e *Engine) visit(number uint32) error {
	e.inputs.RLock()
	defer e.inputs.RUnlock()
	b, err := e.blocks.lock(number)
	if err == nil {
		e.blocks.unlock(b)
	}
	return err
}

// catchUp applies to a locked block the inputs that it has not got. The caller
// holds inputs.
func (e *Engine) catchUp(b *block) error {
	for _, p := range e.pending {
		if p.seq <= b.folded || !p.blocks[b.number] {
			continue
		}
		if err := p.apply(b); err != nil {
			return err
		}
	}
	return nil
}
