package meter

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/meter/tally"
)

// Resume takes up a tally file of an earlier run, whose period ended at end
// (Unix seconds) at the latest: counted calls count against allowances and
// packages again. The period goes on if its time is not over.
func (m *Meter) Resume(f *tally.File, end int64) {
	h := f.Header()
	_, _, month := m.config.Period(h.Start)
	p := m.newPeriod(f, month)
	p.end.Store(min(p.end.Load(), nanos(end)))
	m.recountAll(p)
	m.periodLock.Lock()
	defer m.periodLock.Unlock()
	if old := m.current.Swap(nil); old != nil { // by a clock that was put back it is not over
		m.closing = append(m.closing, old)
	}
	if m.clock.Now().Event < p.end.Load() {
		m.current.Store(p)
		return
	}
	m.closing = append(m.closing, p)
	m.floor = max(m.floor, p.end.Load()/int64(time.Second)) // periods may be longer now
}

// Ended is a period whose counters await sealing.
type Ended struct {
	Start, Length int64 // Unix seconds, seconds
	p             *period
}

// Ended lists the periods that are over, oldest first.
func (m *Meter) Ended() []Ended {
	m.periodLock.Lock()
	defer m.periodLock.Unlock()
	var list []Ended
	for _, p := range m.closing {
		start, end := p.start/int64(time.Second), p.end.Load()/int64(time.Second)
		list = append(list, Ended{start, end - start, p})
	}
	return list
}

// Shortfall is what may be missing of a sealed period's counts.
func (e Ended) Shortfall() account.Shortfall { return e.p.file.Shortfall() }

// OldestStart is where the oldest unsealed period begins, in Unix seconds.
func (m *Meter) OldestStart() int64 {
	if ended := m.Ended(); len(ended) > 0 {
		return ended[0].Start
	}
	m.periodLock.Lock()
	defer m.periodLock.Unlock()
	if p := m.current.Load(); p != nil {
		return p.start / int64(time.Second)
	}
	return m.floor // no counters could be made since
}

// Seal waits until the calls that arrived in the period have ended, at most for
// wait of real time (D6), closes its counters and returns what they counted.
// Calls that end later are counted in the period open then. Where the context
// ends first, nothing is closed, and the error is the context's. A counter that
// fails its check has then the value of the last sync, and Shortfall says so; an
// error says that it could not be had, and the counters stay: seal again.
func (m *Meter) Seal(ctx context.Context, e Ended, wait time.Duration) ([]account.Count, error) {
	m.barrier() // whoever saw this period as current has counted itself in
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if !e.p.drained(waiting) && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	failpoint.Hit("seal/draining")
	e.p.closed.Store(true)
	m.barrier() // whoever saw it open has counted
	failpoint.Hit("seal/closed")
	if err := e.p.file.Mend(); err != nil {
		return nil, fmt.Errorf("mending damaged counters: %w", err)
	}
	counts := make([]account.Count, 0, e.p.file.Slots())
	for _, c := range e.p.file.Each() {
		if c.Calls > 0 {
			counts = append(counts, c)
		}
	}
	return counts, nil
}

// barrier returns when every critical section that was running has ended.
func (m *Meter) barrier() {
	m.accounts.each(func(a *Account) {
		a.mu.Lock()
		a.mu.Unlock() //nolint:staticcheck // the passage is the point
	})
}

// Drop removes the counters of a sealed period, once the record that names its
// sealed file is durable.
func (m *Meter) Drop(e Ended) error {
	m.periodLock.Lock()
	for i, p := range m.closing {
		if p == e.p {
			m.closing = append(m.closing[:i:i], m.closing[i+1:]...)
			break
		}
	}
	m.outlived = append(slices.DeleteFunc(m.outlived, (*period).idle), e.p)
	m.periodLock.Unlock()
	return discard(e.p.file)
}

// Open returns what the periods from an instant on (Unix seconds) have counted
// of one account, for "usage now": where a period is settled and not yet dropped,
// the ledger has it already. It sums, since a line may have two slots.
func (m *Meter) Open(number uint32, from int64) map[account.Line]uint64 {
	m.periodLock.Lock()
	defer m.periodLock.Unlock() // a period is dropped, and unmapped, only after it left the list
	sums := make(map[account.Line]uint64)
	for _, p := range m.unsettled() {
		if p.start < nanos(from) {
			continue
		}
		for _, c := range p.file.Each() {
			if c.Account == number && c.Calls > 0 {
				sums[c.Line] += c.Calls
			}
		}
	}
	return sums
}
