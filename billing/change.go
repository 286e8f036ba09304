package billing

import (
	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// change is what an input does to a locked block: nothing of it is seen before
// commit, so that all its accounts change or none.
type change struct {
	engine  *Engine
	block   *block
	changed bool
	after   [ledger.BlockSize]*account.Account // nil where nothing changed
	step    ledger.Step
}

func (e *Engine) changeOf(b *block) *change { return &change{engine: e, block: b} }

// account is one of the block's as it stands in the change, nil if there is none.
func (c *change) account(number uint32) *account.Account {
	if a := c.after[number%ledger.BlockSize]; a != nil {
		return a
	}
	return c.block.account(number)
}

// add takes an account as it is after the change, and what came with it.
func (c *change) add(a *account.Account, effects account.Effects) {
	c.after[a.Number%ledger.BlockSize], c.changed = a, true
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
			a = a.Clone()
			effects, err := a.CloseMonths(month, end)
			if err != nil {
				return err
			}
			c.add(a, effects)
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
			c.add(a, a.Advance(until, env))
		}
	}
}

// commit makes the change that of the block, and tells the watcher.
func (c *change) commit(seq uint64) {
	b, e := c.block, c.engine
	if !c.changed && len(c.step.Hours) == 0 {
		return // nothing changes for the block, not even how far it has folded
	}
	before := b.accounts
	for n, a := range c.after {
		if a != nil {
			b.accounts[n] = a
		}
	}
	b.folded, b.dirty = seq, true
	b.add(c.step)
	policy := e.Meta().Policy
	for n, a := range c.after {
		if a == nil {
			continue
		}
		old := before[n]
		if sooner(old, a) {
			e.noteDue(a)
		}
		if e.Watcher != nil && tells(old, a, policy) {
			e.Watcher.AccountChanged(a)
		}
	}
	e.tellEvents(b, c.step.Events)
}

// sooner reports whether something may be due earlier than it was before a
// settlement, or before what time did. For all else the index holds.
func sooner(before, after *account.Account) bool {
	return before == nil || before.Arrears != after.Arrears || before.PackagesBought != after.PackagesBought
}

// tells reports whether admission cares about what changed without a command:
// not about usage, which the meter counts itself, unless it judges by money.
func tells(before, after *account.Account, policy account.Policy) bool {
	return policy.Realtime || before == nil || before.Arrears != after.Arrears || before.Released != after.Released ||
		before.Retained != after.Retained || before.PackagesBought != after.PackagesBought || releases(before) != releases(after)
}

func releases(a *account.Account) (n int) {
	for _, i := range a.Instances {
		if i.Released != 0 {
			n++
		}
	}
	return n
}

// tellEvents passes events on, once the input is durable.
func (e *Engine) tellEvents(b *block, events []account.Event) {
	if e.Watcher == nil || e.recovering {
		return
	}
	for _, v := range events {
		e.Watcher.Happened(b.account(v.Account), v)
	}
}
