package billing

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/tallygate/tallygate/ledger"
)

// reading is the blocks that were read together for an input that concerns many. When
// they have left memory and nobody else has seen their accounts, the next ones get
// their place: the accounts of an hour are a gigabyte for each million of them.
type reading struct {
	slabs  ledger.Slabs
	shared atomic.Bool // somebody else may have an account
}

// share says that an account of the locked block is given to somebody.
func (b *block) share() {
	if b.read != nil {
		b.read.shared.Store(true)
	}
}

// applyTo visits blocks in order, flushes them, and rests for a part of the time that
// it took: calls and commands come first. The last ones others may join. Dropped are
// they where there are more than are kept: before they are needed again, all have left.
func (e *Engine) applyTo(numbers []uint32, flush, drop bool) error {
	began := time.Now()
	r := e.reading
	if e.reading = nil; r == nil {
		r = new(reading)
	}
	if err := e.readAhead(numbers, r); err != nil {
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
	if drop && err == nil && e.blocks.drop(numbers[0], numbers[len(numbers)-1], r) {
		r.slabs.Reset()
		e.reading = r
	}
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
func (e *Engine) readAhead(numbers []uint32, r *reading) error {
	first, last := numbers[0], numbers[len(numbers)-1]
	if int(last-first) > 2*len(numbers) {
		return nil
	}
	e.flushLock.Lock()
	defer e.flushLock.Unlock()
	for stored, err := range e.Store.BlocksBetween(first, last, &r.slabs) {
		if err != nil {
			return err
		}
		e.blocks.put(stored, r)
	}
	return nil
}

// drop forgets the blocks from first to last, and reports whether nobody has anything
// of those that were read.
func (c *blockCache) drop(first, last uint32, r *reading) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := first; n <= last; n++ {
		switch b := c.blocks[n]; {
		case b == nil:
		case b.users > 0 || b.dirty:
			return false
		default:
			delete(c.blocks, n)
		}
	}
	return !r.shared.Load()
}
