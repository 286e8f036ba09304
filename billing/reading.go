package billing

import (
	"errors"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// The blocks that are read together for an input that concerns many stand where those
// did that were read for it before, and have left memory: the accounts of an hour are a
// gigabyte for each million of them. So nobody may keep an account from there.

// share moves the locked block's accounts to a place of their own, so that they can be
// given to somebody.
func (b *block) share() {
	if !b.lent {
		return
	}
	accounts := b.snapshot().Accounts
	clones := account.NewCloner(accounts)
	for _, a := range accounts {
		b.accounts[a.Number%ledger.BlockSize] = clones.Clone(a)
	}
	b.lent = false
}

// given is an account of the locked block for somebody who keeps it.
func (b *block) given(number uint32) *account.Account {
	if a := b.account(number); a != nil && b.lent {
		return a.Clone()
	}
	return b.account(number)
}

// applyTo visits blocks in order and flushes them; the last ones others may join. They
// are dropped where there are more of them than are kept: all would have left before
// they are needed again.
func (e *Engine) applyTo(numbers []uint32, flush, drop bool) error {
	lent, slabs := flush && drop, new(ledger.Slabs) // those that stay in memory have their own
	if lent && e.slabs != nil {
		slabs, e.slabs = e.slabs, nil
	}
	if err := e.readAhead(numbers, slabs, lent); err != nil {
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
	if drop && err == nil && e.blocks.drop(numbers[0], numbers[len(numbers)-1]) {
		slabs.Reset()
		e.slabs = slabs
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
func (e *Engine) readAhead(numbers []uint32, slabs *ledger.Slabs, lent bool) error {
	first, last := numbers[0], numbers[len(numbers)-1]
	if int(last-first) > 2*len(numbers) {
		return nil
	}
	e.flushLock.Lock()
	defer e.flushLock.Unlock()
	for stored, err := range e.Store.BlocksBetween(first, last, slabs) {
		if err != nil {
			return err
		}
		e.blocks.put(stored, lent)
	}
	return nil
}

// drop forgets the blocks from first to last, and reports whether nobody uses any.
func (c *blockCache) drop(first, last uint32) bool {
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
	return true
}
