// Package web is the HTTP API of a running gateway, on plain net/http. Under
// Caddy it is mounted on the admin endpoint at /tallygate/.
package web

import (
	"context"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
)

// Gateway is the running gateway as the API sees it.
type Gateway interface {
	Engine() *billing.Engine
	Now() time.Time // event time

	// OpenCounts returns what the unsettled periods that begin at from (Unix
	// seconds) or later have counted of an account.
	OpenCounts(number uint32, from int64) map[account.Line]uint64
	// SettleNow ends the open period early, and returns when all that was
	// counted before the call is debited.
	SettleNow(context.Context) (until time.Time, err error)
	// Advance moves the test clock, and returns when everything due by then has
	// happened. ErrNoTestClock on a ledger that is none.
	Advance(ctx context.Context, to time.Time) error
	// Clock says how the clock is.
	Clock() ClockState
	// AcceptClock makes the wall clock the event time, and returns when everything
	// due by then has happened. The wall clock that the operator saw must be the
	// present one, give or take a minute: else ErrOtherWall. ErrNotDoubted where
	// nothing waits for it.
	AcceptClock(wall time.Time) error
	// Finance reports whether a token is that of the finance role (D36), and
	// FinanceConfigured whether there is one.
	Finance(token string) bool
	FinanceConfigured() bool
	// DecodeRefusal reads a refusal id that this gateway gave out.
	DecodeRefusal(id string) (Refusal, error)
	Status() Status
	// Ready checks what calls need, Health also what money and settlement need.
	Ready() []Check
	Health() []Check
	// Pace is how long a settlement period is, and how long at most it waits for
	// its calls before it is settled.
	Pace() (period, sealWait time.Duration)
}

// Refusal is what a refusal id says.
type Refusal struct {
	At        time.Time `json:"at"`
	Account   uint32    `json:"account_number"`
	Operation string    `json:"operation,omitempty"`
	Reason    string    `json:"reason"`
}

// Status is how the gateway is.
type Status struct {
	Ledger       string        `json:"ledger"` // its id
	Node         string        `json:"node"`
	Now          time.Time     `json:"now"`
	TestClock    bool          `json:"test_clock"`
	Currency     string        `json:"currency"`
	Timezone     string        `json:"timezone"`
	Accounts     uint32        `json:"accounts"`
	SettledUntil time.Time     `json:"settled_until"`
	SyncAge      time.Duration `json:"sync_age_ns"` // since counts last reached the disk
	JournalHead  uint64        `json:"journal_head"`
	JournalHash  string        `json:"journal_hash"`
	Folded       uint64        `json:"folded"` // newest input that is in the ledger
	Unmetered    uint64        `json:"unmetered"`
	PriceBook    string        `json:"price_book"` // hash of the one in force

	ClockSuspended    bool          `json:"clock_suspended" doc:"The wall clock and event time disagree: nothing is settled, expires or is released"`
	ClockDisagreement time.Duration `json:"clock_disagreement_ns" doc:"Wall clock minus event time"`

	LastSeal       Done          `json:"last_seal,omitzero" doc:"In this run of the process"`
	LastSettlement Done          `json:"last_settlement,omitzero" doc:"In this run of the process"`
	SettlementLag  time.Duration `json:"settlement_lag_ns" doc:"Since the end of the oldest period that waits for its settlement; 0 = none does"`
	SyncLimit      time.Duration `json:"sync_limit_ns" doc:"The sync age from which syncing counts as failed"`
	DiskFree       uint64        `json:"disk_free_bytes"`
	DiskReserve    uint64        `json:"disk_reserve_bytes" doc:"What must be free for money commands"`
	Anchor         *AnchorState  `json:"anchor,omitempty" doc:"Nothing where none is configured"`
	Unsettled      string        `json:"unsettled" doc:"What calls that are counted and not debited will cost"`
	Debts          string        `json:"debts" doc:"Sum of the balances below zero"`
	ExposureAsOf   time.Time     `json:"exposure_as_of" doc:"Of unsettled and debts"`
	Problems       []string      `json:"problems,omitempty" doc:"What /tallygate/health finds wrong"`
}

// AnchorState is how far the anchor outside the ledger's folder is.
type AnchorState struct {
	Seq uint64        `json:"seq"`
	Age time.Duration `json:"age_ns" doc:"Since the file was written"`
}
