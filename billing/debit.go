package billing

import (
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// debit settles a block's counts account by account.
func (e *Engine) debit(c *change, p *sealedPeriod, counts []account.Count) error {
	if len(counts) == 0 {
		return nil
	}
	hour := ledger.BlockHour{Block: c.block.number, Start: p.period.Start, Length: p.period.End - p.period.Start, Input: p.seq,
		Charges: roomForCharges(len(counts))}
	rates, env := askedOnce(e.rates(p.period.Start)), p.env(e, p.period.End)
	clone := c.block.cloner(counts)
	for counts := range perAccount(counts) {
		if counts[0].Account == 0 {
			nobody := &account.Account{ID: "(nobody)"}
			charges, _, err := nobody.SettleTo(hour.Charges, p.period, counts, rates, env)
			if err != nil {
				return err
			}
			hour.Charges = charges
			continue
		}
		a := c.block.account(counts[0].Account)
		if a == nil {
			return fmt.Errorf("period at %d: the sealed file counts calls of account %d, which does not exist", p.period.Start, counts[0].Account)
		}
		before := marksOf(a)
		a = clone(a)
		charges, effects, err := a.SettleTo(hour.Charges, p.period, counts, rates, env)
		if err != nil {
			return err
		}
		hour.Charges = charges
		c.add(before, a, effects)
	}
	c.step.Hours = append(c.step.Hours, hour)
	p.results.Store(hour.Block, hashCharges(hour))
	return nil
}

// spentCharges are those that a flush has brought into the ledger: nobody has them any
// more, and the next hours of blocks stand in their place.
var spentCharges = sync.Pool{New: func() any { return new([]account.Charge) }}

func roomForCharges(n int) []account.Charge {
	return slices.Grow((*spentCharges.Get().(*[]account.Charge))[:0], n)
}

// perAccount cuts sorted counts where the account changes.
func perAccount(counts []account.Count) iter.Seq[[]account.Count] {
	return func(yield func([]account.Count) bool) {
		for len(counts) > 0 {
			n := 1
			for n < len(counts) && counts[n].Account == counts[0].Account {
				n++
			}
			if !yield(counts[:n:n]) {
				return
			}
			counts = counts[n:]
		}
	}
}

// cloner copies the block's accounts that sorted counts name. Those of a block that
// was read just now are nobody else's and need no copy.
func (b *block) cloner(counts []account.Count) func(*account.Account) *account.Account {
	if b.own() {
		return func(a *account.Account) *account.Account { return a }
	}
	accounts := make([]*account.Account, 0, ledger.BlockSize)
	for counts := range perAccount(counts) {
		if a := b.account(counts[0].Account); a != nil {
			accounts = append(accounts, a)
		}
	}
	return account.NewCloner(accounts).Clone
}
