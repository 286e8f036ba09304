package account

import (
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// WorstOvershoot is how far below −credit limit the account can come before the
// gateway blocks it (D19), if the balance stands just at the limit: the most
// that a period's pay-per-use calls can cost, and those that are admitted while
// the period waits to be sealed and settled (seconds). Every operation is called
// at its QPS quota, nothing is free or packaged, and the month's calls so far
// decide the tiers, or none do where the month turns meanwhile. Not bounded
// means that a pay-per-use operation that is not free of charge has no quota.
//
// Where Law.AllowInGrace lets calls pass and bills them, every period of the grace
// may cost as much again, and this is the most of one.
//
// It is 0 where pay-per-use is off, and under Policy.Realtime: there the gateway
// counts what is not settled, and refuses the call that would pass the limit.
func (a *Account) WorstOvershoot(e Env, period, wait int64) (worst money.Amount, bounded bool, err error) {
	if a.NoPayPerUse || e.Policy.Realtime {
		return 0, true, nil
	}
	book := e.book()
	for i := range book.Operations {
		op := &book.Operations[i]
		switch {
		case op.Funding != pricebook.PayPerUse || costsNothing(op):
			continue
		case op.QPS == 0:
			return 0, false, nil
		}
		charge, err := a.worstCharge(op, int64(op.QPS), period, wait, e)
		if err == nil {
			worst, err = worst.Add(charge)
		}
		if err != nil {
			return 0, true, err
		}
	}
	return worst, true, nil
}

func costsNothing(op *pricebook.Operation) bool {
	for _, tier := range op.Tiers {
		if tier.Price != 0 {
			return false
		}
	}
	return true
}

// worstCharge is the most an operation can cost in a period and the wait for
// it: all in this month, all in a new one, or the month turns between the two.
func (a *Account) worstCharge(op *pricebook.Operation, qps, period, wait int64, e Env) (money.Amount, error) {
	month := a.accrued(op.Name, e)
	var charges [4]money.Amount
	for i, run := range []struct {
		from    rating.Accrual
		seconds int64
	}{{month, period + wait}, {rating.Accrual{}, period + wait}, {month, period}, {rating.Accrual{}, wait}} {
		calls, err := money.Amount(qps).Mul(run.seconds)
		if err == nil {
			charges[i], err = worstRun(op, run.from, uint64(calls), e.Currency)
		}
		if err != nil {
			return 0, err
		}
	}
	turning, err := charges[2].Add(charges[3])
	return max(charges[0], charges[1], turning), err
}

// accrued is what an operation's calls of the present month cost so far.
func (a *Account) accrued(operation string, e Env) rating.Accrual {
	number, ok := e.OperationNumber(operation)
	for _, u := range a.Usage {
		if ok && u.Operation == number && u.Month == uint32(rating.MonthOf(e.unix(), e.Zone)) {
			return rating.Accrual{PayPerUse: u.PayPerUse, Successful: u.Successful, Exact: u.Exact}
		}
	}
	return rating.Accrual{}
}

// worstRun is the most that so many calls can cost, or fewer: under volume
// tiers a call that reaches a cheaper tier makes the earlier ones cheaper, and
// then the calls up to a tier's bound cost more than all.
func worstRun(op *pricebook.Operation, from rating.Accrual, calls uint64, cur money.Currency) (worst money.Amount, err error) {
	before, err := from.Charge(cur)
	if err != nil {
		return 0, err
	}
	reached := from.PayPerUse
	if op.Basis == pricebook.AllSuccessful {
		reached = from.Successful
	}
	for _, tier := range op.Tiers {
		run := calls
		if bound := uint64(tier.UpTo); bound != 0 {
			run = min(calls, max(bound, reached)-reached)
		}
		after, err := from.Add(op, rating.Hour{PayPerUse: run})
		if err != nil {
			return 0, err
		}
		charge, err := after.Charge(cur)
		if err != nil {
			return 0, err
		}
		worst = max(worst, charge-before) // neither is negative
	}
	return worst, nil
}
