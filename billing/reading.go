package billing

import (
	"errors"
	"sync/atomic"

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

// applyTo visits blocks in order and flushes them; the last ones others may join. They
// are dropped where there are more of them than are kept: all would have left before
// they are needed again.
func (e *Engine) applyTo(numbers []uint32, flush, drop bool) error {
	r := new(reading) // of blocks that stay in memory, which are not to keep the memory of many
	if flush && e.reading != nil {
		r, e.reading = e.reading, nil
	}
	if err := e.readAhead(numbers, r); err != nil {
		return err
	}
	e.pace.rest()
	for _, n := range numbers {
		if err := e.visit(n); err != nil {
			return err
		}
		e.pace.done()
		e.pace.rest()
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
	e.pace.rest()
	return err
}

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
