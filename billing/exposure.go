package billing

import (
	"slices"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/rating/money"
)

// Exposure is money that is not there: what calls cost that are counted and not
// debited yet, and what accounts owe.
type Exposure struct {
	Unsettled money.Amount // by the function that bills (D34)
	Debts     money.Amount // sum of the balances below zero, as a positive amount
}

// OpenCounts is what a period that is not settled has counted so far, in order of
// lines, each once.
type OpenCounts struct {
	account.Period
	Counts []account.Count
}

// Exposure prices open counters and sums up debts, block by block beside commands
// and settlements. A period that is settled meanwhile is priced for no block that
// has it. It costs a few microseconds for each account with open calls.
func (e *Engine) Exposure(open []OpenCounts) (x Exposure, err error) {
	open = slices.Clone(open)
	for n := range ledger.BlockOf(e.Meta().Accounts) + 1 {
		if err := e.exposeBlock(n, open, &x); err != nil {
			return Exposure{}, err
		}
	}
	return x, nil
}

// exposeBlock adds a block's accounts. It cuts off from open what it has used.
func (e *Engine) exposeBlock(number uint32, open []OpenCounts, x *Exposure) error {
	e.inputs.RLock() // no period becomes a settled one meanwhile
	defer e.inputs.RUnlock()
	b, err := e.blocks.lock(number)
	if err != nil {
		return err
	}
	accounts := b.accounts // they are replaced, never changed
	e.blocks.unlock(b)
	settled := e.Meta().Settled
	for _, a := range accounts {
		if a == nil {
			continue
		}
		if a.Balance < 0 {
			if x.Debts, err = x.Debts.Add(-a.Balance); err != nil {
				return err
			}
		}
		cost, err := e.costOf(a, open, settled)
		if err == nil {
			x.Unsettled, err = x.Unsettled.Add(cost)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// costOf prices an account's open periods, one after the other.
func (e *Engine) costOf(a *account.Account, open []OpenCounts, settled int64) (cost money.Amount, err error) {
	var periods []OpenCounts
	costs := false
	for i := range open {
		counts := cutAccount(&open[i].Counts, a.Number)
		if len(counts) == 0 || open[i].Start < settled {
			continue
		}
		periods = append(periods, OpenCounts{open[i].Period, counts})
		costs = costs || slices.ContainsFunc(counts, func(c account.Count) bool { return c.Kind == account.PayPerUse })
	}
	if !costs {
		return 0, nil
	}
	next, env := a.Clone(), e.Env()
	for _, p := range periods {
		charges, _, err := next.Settle(p.Period, p.Counts, e.rates(p.Start), env)
		if err != nil {
			return 0, err
		}
		for _, c := range charges {
			if cost, err = cost.Add(c.Amount); err != nil {
				return 0, err
			}
		}
	}
	return cost, nil
}

// cutAccount takes an account's counts from the front of a list in order, with
// those of accounts before it.
func cutAccount(list *[]account.Count, number uint32) []account.Count {
	counts, n := *list, 0
	for n < len(counts) && counts[n].Account < number {
		n++
	}
	counts = counts[n:]
	for n = 0; n < len(counts) && counts[n].Account == number; n++ {
	}
	*list = counts[n:]
	return counts[:n]
}

// Behind is why the ledger does not follow the journal, nil where it does.
func (e *Engine) Behind() error {
	e.metaLock.RLock()
	defer e.metaLock.RUnlock()
	return e.flushErr
}
