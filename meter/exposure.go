package meter

import (
	"slices"
	"time"

	"github.com/tallygate/tallygate/account"
)

// OpenPeriod is what a period that is not settled has counted so far of billed
// calls, in order of lines, each once.
type OpenPeriod struct {
	account.Period
	Counts []account.Count
}

// openAtOnce is how many counters are read before whoever waits for the next
// period gets a chance.
const openAtOnce = 4096

// OpenPeriods reads all open counters, oldest period first. A period that is
// dropped meanwhile is left out.
func (m *Meter) OpenPeriods() []OpenPeriod {
	m.periodLock.Lock()
	defer m.periodLock.Unlock()
	var list []OpenPeriod
	for _, p := range m.unsettled() {
		if counts, ok := m.billed(p); ok {
			list = append(list, OpenPeriod{account.Period{Start: p.start / int64(time.Second), End: p.end.Load() / int64(time.Second), Month: p.month}, counts})
		}
	}
	return list
}

// unsettled are the periods that are open or await sealing. The caller holds the
// period lock.
func (m *Meter) unsettled() []*period {
	periods := slices.Clone(m.closing)
	if p := m.current.Load(); p != nil {
		periods = append(periods, p)
	}
	return periods
}

// billed reads a period's counters of billed calls, letting go of the period lock
// now and then; false where the period was dropped in such a moment, and unmapped.
func (m *Meter) billed(p *period) (counts []account.Count, ok bool) {
	for slot, c := range p.file.Each() {
		if c.Kind.Billed() && !c.Observed && c.Calls > 0 {
			counts = append(counts, c)
		}
		if slot%openAtOnce != openAtOnce-1 {
			continue
		}
		m.periodLock.Unlock()
		m.periodLock.Lock()
		if !slices.Contains(m.unsettled(), p) {
			return nil, false
		}
	}
	slices.SortFunc(counts, func(a, b account.Count) int { return a.Compare(b.Line) })
	merged := counts[:0]
	for _, c := range counts { // a line may have two slots
		if n := len(merged); n > 0 && merged[n-1].Line == c.Line {
			merged[n-1].Calls += c.Calls
			continue
		}
		merged = append(merged, c)
	}
	return merged, true
}
