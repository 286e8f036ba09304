package billing

import (
	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// change is what an input does to a locked block: nothing of it is seen before
// commit, so that all its accounts change or none.
type change struct {
	engine     *Engine
	block      *block
	changed    bool
	movesTerms bool                               // or anything else that settlements do not move
	after      [ledger.BlockSize]*account.Account // nil where nothing changed
	before     [ledger.BlockSize]marks            // of those that did
	step       ledger.Step
}

func (e *Engine) changeOf(b *block) *change { return &change{engine: e, block: b} }

// account is one of the block's as it stands in the change, nil if there is none.
func (c *change) account(number uint32) *account.Account {
	if a := c.after[number%ledger.BlockSize]; a != nil {
		return a
	}
	return c.block.account(number)
}

// add takes an account as it is after the change, what it was before that, and what
// came with it.
func (c *change) add(before marks, a *account.Account, effects account.Effects) {
	n := a.Number % ledger.BlockSize
	if c.after[n] == nil {
		c.before[n] = before
	}
	c.after[n], c.changed, c.movesTerms = a, true, c.movesTerms || !effects.Settled
	c.step.Movements = append(c.step.Movements, effects.Movements...)
	c.step.Events = append(c.step.Events, effects.Events...)
	c.step.Statements = append(c.step.Statements, effects.Statements...)
}

// closeMonths closes the statements of the months that have ended (D37).
func (c *change) closeMonths(end int64) error {
	month := c.engine.month(end)
	for _, old := range c.block.accounts {
		if old == nil {
			continue
		}
		if a := c.account(old.Number); len(a.Months) > 0 && a.Months[0].Month < month {
			before := marksOf(a)
			a = a.Clone()
			effects, err := a.CloseMonths(month, end)
			if err != nil {
				return err
			}
			c.add(before, a, effects)
		}
	}
	return nil
}

// advance lets happen what is due in the block (D13).
func (c *change) advance(until int64, env account.Env) {
	for _, old := range c.block.accounts {
		if old == nil {
			continue
		}
		if at, ok := old.NextDue(env); ok && at <= until {
			a := old.Clone()
			c.add(marksOf(old), a, a.Advance(until, env))
		}
	}
}

// commit makes the change that of the block, and tells the watcher.
func (c *change) commit(seq uint64) {
	b, e := c.block, c.engine
	if !c.changed && len(c.step.Hours) == 0 {
		return // nothing changes for the block, not even how far it has folded
	}
	for n, a := range c.after {
		if a != nil {
			b.accounts[n] = a
		}
	}
	b.folded, b.dirty, b.termsStand = seq, true, b.termsStand && !c.movesTerms
	b.add(c.step)
	realtime := e.Watcher != nil && e.Meta().Policy.Realtime
	if realtime { // it is told of all
		b.share()
	}
	for n, a := range c.after {
		if a == nil {
			continue
		}
		after := marksOf(a)
		if c.before[n].sooner(after) {
			e.noteDue(a)
		}
		if e.Watcher != nil && (realtime || c.before[n] != after) {
			e.Watcher.AccountChanged(b.given(a.Number))
		}
	}
	e.tellEvents(b, c.step.Events)
}

// marks are what of an account concerns others: when something is due, and whether
// calls are admitted. Not what it used, which the meter counts itself, unless it
// judges by money.
type marks struct {
	arrears, released int64
	retained          bool
	packages          uint32 // bought so far
	releases          int    // of instances
}

func marksOf(a *account.Account) marks {
	m := marks{a.Arrears, a.Released, a.Retained, a.PackagesBought, 0}
	for _, i := range a.Instances {
		if i.Released != 0 {
			m.releases++
		}
	}
	return m
}

// sooner reports whether something may be due earlier than it was before a
// settlement, or before what time did. For all else the index holds.
func (m marks) sooner(after marks) bool {
	return m.arrears != after.arrears || m.packages != after.packages
}

// tellEvents passes events on, once the input is durable.
func (e *Engine) tellEvents(b *block, events []account.Event) {
	if e.Watcher == nil || e.recovering {
		return
	}
	for _, v := range events {
		e.Watcher.Happened(b.given(v.Account), v)
	}
}
