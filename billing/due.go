package billing

import (
	"math"
	"sync"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/rating"
)

// dueIndex knows for each block when something happens by time alone at the
// earliest (Unix seconds). It may be too early, never too late.
type dueIndex struct {
	mu sync.Mutex
	at []int64 // by block
}

const never = math.MaxInt64

// lower notes when something is due in a block, unless something is sooner.
func (d *dueIndex) lower(block uint32, at int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reach(block)
	d.at[block] = min(d.at[block], at)
}

// raise notes when something is due in a block that was looked at.
func (d *dueIndex) raise(block uint32, at int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reach(block)
	d.at[block] = at
}

// reach makes room for a block.
func (d *dueIndex) reach(block uint32) {
	for int(block) >= len(d.at) {
		d.at = append(d.at, never)
	}
}

// noteDue keeps the index up with an account that changed. Releases count from
// their own instant, since a start may put them off.
func (e *Engine) noteDue(a *account.Account) {
	env := e.envAt(0)
	env.Floor = 0
	if at, ok := a.NextDue(env); ok {
		e.dues.lower(ledger.BlockOf(a.Number), at)
	}
}

// nextDue is when something is due in a block.
func (b *block) nextDue(env account.Env) int64 {
	first := int64(never)
	for _, a := range b.accounts {
		if a == nil {
			continue
		}
		if at, ok := a.NextDue(env); ok {
			first = min(first, at)
		}
	}
	return first
}

// until calls yield with the blocks in which something may be due.
func (d *dueIndex) until(until int64, yield func(block uint32)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n, at := range d.at {
		if at <= until {
			yield(uint32(n))
		}
	}
}

// Due lets happen what is due until an instant (Unix seconds), that instant
// included: terms end and begin, states pass, packages renew themselves,
// notices fall due. What is due at the end of the hour that is not settled yet, or
// after it, waits for the settlement (D13).
func (e *Engine) Due(until int64) error {
	e.settleLock.Lock()
	defer e.settleLock.Unlock()
	if err := e.sound(); err != nil {
		return err
	}
	meta := e.Meta()
	settled := max(meta.Created, meta.Settled, e.emptyUntil.Load())
	return e.due(min(until, rating.HourEnd(settled, e.Zone)-1))
}

func (e *Engine) due(until int64) error {
	if err := e.applyPending(); err != nil { // left by a failure
		return err
	}
	found, err := e.anyDue(until)
	if err != nil || !found {
		return err
	}
	if err := e.hasRoom(); err != nil {
		return err
	}
	if err := e.append(inputDue, dueInput{Until: until, Held: e.releasesHeld(until)}); err != nil {
		return err
	}
	failpoint.Hit("due/journalled")
	return e.applyPending()
}

// anyDue looks closer at the blocks in which something may be due.
func (e *Engine) anyDue(until int64) (bool, error) {
	var blocks []uint32
	e.dues.until(until, func(n uint32) { blocks = append(blocks, n) })
	for _, n := range blocks {
		if at, err := e.lookDue(n, until); err != nil || at <= until {
			return err == nil, err
		}
	}
	return false, nil
}

// lookDue is when something is due in a block, which the index then knows.
func (e *Engine) lookDue(number uint32, until int64) (int64, error) {
	e.inputs.RLock()
	defer e.inputs.RUnlock()
	b, err := e.blocks.lock(number)
	if err != nil {
		return 0, err
	}
	defer e.blocks.unlock(b)
	at := b.nextDue(e.envAt(until))
	e.dues.raise(number, at)
	return at, nil
}

// openDue makes a journalled instant one that blocks live up to. The caller
// holds inputs for writing and the meta lock.
func (e *Engine) openDue(rec journal.Record) error {
	in, err := decode[dueInput](rec.Seq, rec.Payload)
	if err != nil {
		return err
	}
	p := e.newPending(rec.Seq, in.Held, func(e *Engine, yield func(uint32)) { e.dues.until(in.Until, yield) })
	p.apply = func(b *block) error {
		c := e.changeOf(b)
		c.advance(in.Until, p.env(e, in.Until))
		c.commit(rec.Seq)
		env := p.env(e, in.Until)
		env.Floor = floorOf(p.started, false) // what is held now is not held for ever
		e.dues.raise(b.number, b.nextDue(env))
		return nil
	}
	e.pending = append(e.pending, p)
	return nil
}

// loadDues says that all blocks must be looked at, until LoadAccounts knows more.
func (e *Engine) loadDues() {
	for n := range ledger.BlockOf(e.meta.Accounts) + 1 {
		e.dues.lower(n, math.MinInt64)
	}
}

// LoadAccounts is EachAccount for the start, before anything else is asked of the
// engine: it notes on the way when something is due in each block, at the earliest. To
// look at a million accounts closely would take seconds.
func (e *Engine) LoadAccounts(f func(*account.Account)) error {
	known := make([]int64, 0, ledger.BlockOf(e.Meta().Accounts)+1)
	err := e.EachAccount(func(a *account.Account) bool {
		for len(known) <= int(ledger.BlockOf(a.Number)) {
			known = append(known, never)
		}
		last := &known[len(known)-1]
		*last = min(*last, a.DueBound())
		f(a)
		return true
	})
	if err != nil {
		return err
	}
	for block, at := range known {
		e.dues.raise(uint32(block), at)
	}
	return nil
}

func (e *Engine) envAt(unix int64) account.Env {
	return e.env(unix * int64(time.Second))
}

func (e *Engine) month(unix int64) uint32 { return uint32(rating.MonthOf(unix, e.Zone)) }
