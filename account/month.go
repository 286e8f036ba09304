package account

import (
	"fmt"

	"github.com/tallygate/tallygate/rating/money"
)

// StatementRecord closes a month of an account (D37). What happened in the
// month is found in usage and movements, which nothing changes any more.
type StatementRecord struct {
	Account          uint32
	Number           uint32 // within the account, from 1, without gaps
	Month            uint32 // YYYYMM
	Opening, Closing money.Amount
}

// StatementNumber is how a statement is called: "acme-0007".
func StatementNumber(id string, number uint32) string { return fmt.Sprintf("%s-%04d", id, number) }

// CloseMonths closes the open months before one, in order, at an instant (Unix
// seconds): that month's start. Everything of them must be settled. A month
// without usage and movements has no statement.
func (a *Account) CloseMonths(before uint32, at int64) (Effects, error) {
	all := Effects{Settled: true}
	for len(a.Months) > 0 && a.Months[0].Month < before {
		closing, err := a.Closed.Add(a.Months[0].Sum)
		if err != nil {
			return Effects{}, fmt.Errorf("account %s: closing balance of %d: %w", a.ID, a.Months[0].Month, err)
		}
		a.Statements++
		all.Statements = append(all.Statements, StatementRecord{Account: a.Number, Number: a.Statements, Month: a.Months[0].Month,
			Opening: a.Closed, Closing: closing})
		all.Events = append(all.Events, a.event(at, NoticeStatement, "statement:"+itoa(int64(a.Statements)),
			StatementNumber(a.ID, a.Statements)))
		a.Closed, a.Months = closing, a.Months[1:]
	}
	return all, nil
}
