package account

import (
	"slices"
	"time"
)

// Shortfall is what may be missing of a period's counts. Where there is any, they
// are a lower bound.
type Shortfall struct {
	Damaged      uint64        // damaged counters: calls after their last sync may be missing
	PowerLosses  uint64        // of the machine: each may have taken the calls of an interval, and of the sync that ran
	SyncInterval time.Duration // that interval
	Accounts     []uint32      // whose calls may be missing, ascending; nil = anybody's
}

// None reports that nothing is missing.
func (s Shortfall) None() bool { return s.Damaged == 0 && s.PowerLosses == 0 }

// Concerns reports whether calls of an account may be missing.
func (s Shortfall) Concerns(number uint32) bool {
	return !s.None() && (s.Accounts == nil || slices.Contains(s.Accounts, number))
}
