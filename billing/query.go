package billing

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// Account returns an account as of now, balance and state included. It is
// shared: do not change it.
func (e *Engine) Account(id string) (*account.Account, error) {
	e.inputs.RLock()
	defer e.inputs.RUnlock()
	n, err := e.number(id)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, &account.Error{Why: account.NotFound, Field: "account", Text: fmt.Sprintf("there is no account %q", id)}
	}
	b, err := e.blocks.lock(ledger.BlockOf(n))
	if err != nil {
		return nil, err
	}
	defer e.blocks.unlock(b)
	return b.account(n), nil
}

// EachAccount calls f with every account in the ledger, in order of number,
// until f returns false. f may not keep the account, but for its texts.
func (e *Engine) EachAccount(f func(*account.Account) bool) error {
	err := e.Flush()
	if errors.Is(err, ledger.ErrNoSpace) { // as at a start on a full disk
		return e.eachInMemory(f)
	}
	if err != nil {
		return err
	}
	for b, err := range e.Store.Blocks() {
		if err != nil {
			return err
		}
		for _, a := range b.Accounts {
			if !f(a) {
				return nil
			}
		}
	}
	return nil
}

// eachInMemory goes by the blocks as they stand in memory, ahead of the ledger.
func (e *Engine) eachInMemory(f func(*account.Account) bool) error {
	for n := range ledger.BlockOf(e.Meta().Accounts) + 1 {
		e.inputs.RLock()
		b, err := e.blocks.lock(n)
		if err != nil {
			e.inputs.RUnlock()
			return err
		}
		accounts := b.accounts
		e.blocks.unlock(b)
		e.inputs.RUnlock()
		for _, a := range accounts {
			if a != nil && !f(a) {
				return nil
			}
		}
	}
	return nil
}

// history is an account and what happened to it from an instant on.
type history struct {
	account    *account.Account
	hours      []ledger.BlockHour        // with the account's charges only
	movements  []account.Movement        // all of them
	statements []account.StatementRecord // all of them
}

// history reads an account's history from one state of the ledger: again, if
// the block changed meanwhile.
func (e *Engine) history(id string, from int64) (history, error) {
	a, err := e.Account(id)
	if err != nil {
		return history{}, err
	}
	if err := e.Flush(); err != nil {
		return history{}, err
	}
	for {
		h, folded, err := e.readHistory(a.Number, from)
		if err != nil {
			return history{}, err
		}
		b, err := e.Store.Block(ledger.BlockOf(a.Number))
		if err != nil {
			return history{}, err
		}
		if b.Folded == folded {
			return h, nil
		}
	}
}

func (e *Engine) readHistory(number uint32, from int64) (h history, folded uint64, err error) {
	block, err := e.Store.Block(ledger.BlockOf(number))
	if err != nil {
		return h, 0, err
	}
	for _, a := range block.Accounts {
		if a.Number == number {
			h.account = a
		}
	}
	if h.account == nil {
		return h, 0, fmt.Errorf("account %d: %w", number, ledger.ErrNotFound)
	}
	for hour, err := range e.Store.Hours(block.Number, from, math.MaxInt64) {
		if err != nil {
			return h, 0, err
		}
		if hour.Input > block.Folded {
			continue // a flush has not come to the block yet
		}
		all := hour.Charges
		hour.Charges = nil
		for _, c := range all {
			if c.Account == number {
				hour.Charges = append(hour.Charges, c)
			}
		}
		if len(hour.Charges) > 0 {
			h.hours = append(h.hours, hour)
		}
	}
	if h.movements, err = collect(e.Store.Movements(number, 1)); err != nil {
		return h, 0, err
	}
	h.statements, err = collect(e.Store.Statements(number, 0))
	h.movements = h.movements[:min(len(h.movements), int(h.account.Movements))]
	h.statements = h.statements[:min(len(h.statements), int(h.account.Statements))]
	return h, block.Folded, err
}

func collect[T any](list iter.Seq2[T, error]) (all []T, err error) {
	for v, err := range list {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// Events are what happened to an account, from a number on.
func (e *Engine) Events(id string, from uint32) ([]account.Event, error) {
	a, err := e.Account(id)
	if err != nil {
		return nil, err
	}
	if err := e.Flush(); err != nil {
		return nil, err
	}
	return collect(e.Store.Events(a.Number, from))
}

// Preview says what a command would do at an instant (Unix nanoseconds), by
// doing it to a copy: nothing happens (D34).
func (e *Engine) Preview(id string, cmd account.Command, at int64) (account.Effects, error) {
	a, err := e.Account(id)
	if err != nil {
		return account.Effects{}, err
	}
	if err := account.InRange(cmd, e.Currency); err != nil {
		return account.Effects{}, err
	}
	if r, ok := cmd.(account.Resizer); ok && e.Watcher != nil {
		held, _ := e.Watcher.Lower(a.Number, r.Target(), math.MaxInt64)
		r.SetHeld(held)
	}
	env := e.env(at)
	env.Floor = floorOf(e.Meta().Started, e.releasesHeld(min(at, e.instant())/int64(time.Second)))
	return account.Do(a.Clone(), cmd, env)
}

// Env is what accounts are judged by now.
func (e *Engine) Env() account.Env { return e.env(e.instant()) }
