package rating

import (
	"fmt"
	"time"
)

// LowerBound is a settled period in whose counts calls may be missing. What is
// missing is not billed.
type LowerBound struct {
	From         time.Time `json:"from"`
	Until        time.Time `json:"until"`
	Damaged      uint64    `json:"damaged_counters,omitempty"`
	PowerLosses  uint64    `json:"power_losses,omitempty"`
	SyncInterval string    `json:"sync_interval,omitempty"` // bounds what each power loss took
	Why          string    `json:"why"`                     // both, in words
}

// String is the note on a statement.
func (b LowerBound) String() string {
	return fmt.Sprintf("The counts of %s–%s are a lower bound: %s", b.From.Format("2006-01-02 15:04:05"), b.Until.Format("15:04:05 -07:00"), b.Why)
}
