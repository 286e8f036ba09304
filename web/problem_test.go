package web

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/ledger"
)

func TestProblemOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err    error
		status int
		word   string
	}{
		{&account.Error{Why: account.Invalid}, 422, "invalid"},
		{&account.Error{Why: account.NotFound}, 404, "not-found"},
		{&account.Error{Why: account.Conflict}, 409, "conflict"},
		{&account.Error{Why: account.NotAllowed}, 409, "not-allowed"},
		{&account.Error{Why: account.Unpaid}, 402, "insufficient-balance"},
		{&account.Error{Why: account.Dearer, Amount: "24.00"}, 409, "amount-changed"},
		{fmt.Errorf("%w: from 2027 on", billing.ErrSchedule), 409, "wrong-start"},
		{billing.ErrOtherContent, 409, "idempotency-conflict"},
		{fmt.Errorf("%w: %w", billing.ErrUnavailable, errors.New("disk on fire")), 503, "ledger-unavailable"},
		{fmt.Errorf("%w: folding: %w", billing.ErrUnavailable, ledger.ErrNoSpace), 507, "disk-full"},
		{ErrNoTestClock, 409, "no-test-clock"},
		{ErrClockDoubted, 409, "clock-suspended"},
		{fmt.Errorf("%w: 2027", ErrClockBehind), 409, "clock-behind"},
		{ErrNotDoubted, 409, "clock-not-suspended"},
		{fmt.Errorf("%w: it is 2027", ErrOtherWall), 409, "other-wall-clock"},
		{fmt.Errorf("reading: %w", ledger.ErrDamaged), 503, "ledger-damaged"},
		{fmt.Errorf("%w: %w", billing.ErrUnavailable, ledger.ErrDamaged), 503, "ledger-damaged"},
	} {
		p := problemOf(fmt.Errorf("wrapped: %w", test.err))
		if p.Status != test.status || p.Type != ProblemType+test.word || p.Title == "" {
			t.Errorf("%v: got %d %s %q", test.err, p.Status, p.Type, p.Title)
		}
	}
}
