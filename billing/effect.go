package billing

import (
	"slices"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
)

// take makes the effects of a journalled command those of the block.
func (e *Engine) take(b *block, rec journal.Record, in commandInput, next *account.Account, effects account.Effects, answer []byte) {
	before := b.account(next.Number)
	b.accounts[next.Number%ledger.BlockSize] = next
	b.folded, b.dirty, b.termsStand = max(b.folded, rec.Seq), true, false
	var added ledger.Step
	added.Movements, added.Events, added.Statements = effects.Movements, effects.Events, effects.Statements
	if effects.Trial != "" {
		added.Trials = map[string]ledger.Trial{effects.Trial: {Account: next.Number, Input: rec.Seq}}
	}
	if before == nil {
		added.Accounts = map[string]uint32{next.ID: next.Number}
	}
	if len(in.Key) == 32 {
		added.Answers = []ledger.Answer{{Key: [32]byte(in.Key), Content: [32]byte(in.Content), Input: rec.Seq, JSON: answer}}
	}
	added.Keys = e.changedKeys(before, next)
	e.recent.put(added)
	b.add(added)
	e.noteApplied(rec.Seq, next.Number)
	e.noteDue(next)
	if e.Watcher != nil {
		e.Watcher.AccountChanged(next)
		e.tellEvents(b, effects.Events)
	}
}

// add merges effects into what the next flush takes.
func (b *block) add(s ledger.Step) {
	b.step.Movements = append(b.step.Movements, s.Movements...)
	b.step.Events = append(b.step.Events, s.Events...)
	b.step.Statements = append(b.step.Statements, s.Statements...)
	b.step.Answers = append(b.step.Answers, s.Answers...)
	b.step.Hours = append(b.step.Hours, s.Hours...)
	b.step.Accounts = merge(b.step.Accounts, s.Accounts)
	b.step.Keys = merge(b.step.Keys, s.Keys)
	b.step.Trials = merge(b.step.Trials, s.Trials)
	b.step.Products = merge(b.step.Products, s.Products)
	b.step.Pictures = merge(b.step.Pictures, s.Pictures)
}

func merge[K comparable, V any](into, from map[K]V) map[K]V {
	if into == nil {
		return from
	}
	for k, v := range from {
		into[k] = v
	}
	return into
}

// noteApplied records that an input and an account number are in memory.
func (e *Engine) noteApplied(seq uint64, number uint32) {
	e.metaLock.Lock()
	defer e.metaLock.Unlock()
	e.applied, e.metaDirty = max(e.applied, seq), true
	e.given = max(e.given, number)
	e.meta.Accounts = max(e.meta.Accounts, number)
}

// changedKeys lists the keys that came and went, and tells the watcher.
func (e *Engine) changedKeys(before, after *account.Account) map[[32]byte]uint32 {
	if before != nil && slices.Equal(before.Keys, after.Keys) {
		return nil
	}
	changed := make(map[[32]byte]uint32)
	had, has := hashes(before), hashes(after)
	for hash, k := range had {
		if _, stays := has[hash]; !stays {
			changed[hash] = 0
			e.keyRemoved(k)
		}
	}
	for hash, k := range has {
		if _, known := had[hash]; !known {
			changed[hash] = after.Number
			e.keyAdded(after, k)
		}
	}
	return changed
}

func (e *Engine) keyAdded(a *account.Account, k account.Key) {
	if e.Watcher != nil {
		e.Watcher.KeyAdded(a, k)
	}
}

func (e *Engine) keyRemoved(k account.Key) {
	if e.Watcher != nil {
		e.Watcher.KeyRemoved(k)
	}
}

// hashes are the keys of an account, which may be nil.
func hashes(a *account.Account) map[[32]byte]account.Key {
	keys := map[[32]byte]account.Key{}
	if a != nil {
		for _, k := range a.Keys {
			keys[k.Hash] = k
		}
	}
	return keys
}
