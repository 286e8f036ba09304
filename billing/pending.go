package billing

import (
	"maps"
	"slices"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/failpoint"
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
	e.pace.begin(e.Paced && !e.recovering) // a start has nobody to be kept waiting
	for p := e.firstPending(); p != nil; p = e.firstPending() {
		at := e.blocksAtOnce()
		for some := range slices.Chunk(slices.Sorted(maps.Keys(p.blocks)), at) {
			if err := e.applyTo(some, len(some) == at, len(p.blocks) > keepBlocks); err != nil {
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

// blocksAtOnce is after how many blocks there is a flush. A start has many inputs to
// fold.
func (e *Engine) blocksAtOnce() int {
	if e.recovering {
		return foldBlocks
	}
	return flushBlocks
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
	b, err := e.blocks.visit(number)
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
