package meter

import (
	"sync/atomic"

	"github.com/tallygate/tallygate/account"
)

// totals are process-wide counts by operation and outcome, for metrics. Unlike
// tallies they begin at zero with the process. Operations above the limit share
// the last row, so that the table cannot grow.
type totals struct {
	byOperation [maxOperations][128]atomic.Uint64
	unmetered   [maxOperations]atomic.Uint64
}

const maxOperations = 256

func (t *totals) add(operation uint16, kind account.Kind) {
	t.byOperation[min(operation, maxOperations-1)][kind&127].Add(1)
}

// reject counts a refusal that no tally took.
func (m *Meter) reject(kind account.Kind) { m.totals.add(0, kind) }

// Totals calls f with every count that is not zero.
func (m *Meter) Totals(f func(operation uint16, kind account.Kind, calls uint64)) {
	for op := range m.totals.byOperation {
		for kind := range m.totals.byOperation[op] {
			if n := m.totals.byOperation[op][kind].Load(); n > 0 {
				f(uint16(op), account.Kind(kind), n)
			}
		}
	}
}

// Unmetered is how many calls ran and could not be counted since the process began.
func (m *Meter) Unmetered() (calls uint64) {
	for op := range m.totals.unmetered {
		calls += m.totals.unmetered[op].Load()
	}
	return calls
}

// UnmeteredOf is how many those of an operation are.
func (m *Meter) UnmeteredOf(operation uint16) uint64 {
	return m.totals.unmetered[min(operation, maxOperations-1)].Load()
}
