package billing

import (
	"fmt"
	"math"

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
// until f returns false.
func (e *Engine) EachAccount(f func(*account.Account) bool) error {
	if err := e.Flush(); err != nil {
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

// history is an account and what happened to it from an instant on.
type history struct {
	account   *account.Account
	hours     []ledger.BlockHour // with the account's charges only
	movements []account.Movement // all of them
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
	for m, err := range e.Store.Movements(number, 1) {
		if err != nil {
			return h, 0, err
		}
		h.movements = append(h.movements, m)
	}
	return h, block.Folded, nil
}
