package meter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter/tally"
)

// period is one settlement period's counters. Its life: current (calls arrive)
// → closing (its in-flight calls end) → closed (nothing is counted any more, the
// rows are read) → dropped.
type period struct {
	start    int64        // event time, Unix nanoseconds
	end      atomic.Int64 // the same; moved only by Cut
	month    uint32
	file     *tally.File
	catalog  *Catalog
	inflight atomic.Int64
	closed   atomic.Bool

	lateLock sync.Mutex
	late     map[account.Line]uint32 // slots that no account remembers
	resumed  bool                    // some slots are from before a restart
}

// oldSlot is a counter in a period that its account has left behind, or that
// may have been made before a restart.
func (p *period) oldSlot(line account.Line) (uint32, error) {
	p.lateLock.Lock()
	defer p.lateLock.Unlock()
	if slot, ok := p.late[line]; ok {
		return slot, nil
	}
	slot, err := p.file.Slot(line)
	if err == nil {
		if p.late == nil {
			p.late = make(map[account.Line]uint32)
		}
		p.late[line] = slot
	}
	return slot, err
}

// newSlot is a counter for a line that its account has none for.
func (p *period) newSlot(line account.Line) (uint32, error) {
	if p.resumed {
		return p.oldSlot(line)
	}
	return p.file.Slot(line)
}

// periodAt is the period that an arrival at now belongs to: the current one, or
// the next, which the first call past the boundary opens. A clock that steps
// back within a period's start reopens nothing.
func (m *Meter) periodAt(now int64) (*period, error) {
	if p := m.current.Load(); p != nil && now < p.end.Load() {
		return p, nil
	}
	return m.Roll(now)
}

// arrival is periodAt for a call that arrives: none is admitted once the meter
// closes, while those in flight are still counted.
func (m *Meter) arrival(now int64) (*period, error) {
	if m.stopping.Load() {
		return nil, errShut
	}
	return m.periodAt(now)
}

var errShut = errors.New("the gateway is stopping")

// Roll makes the period of an instant current if it is later than the present
// one.
func (m *Meter) Roll(now int64) (*period, error) {
	m.periodLock.Lock()
	defer m.periodLock.Unlock()
	old := m.current.Load()
	if old != nil && now < old.end.Load() {
		return old, nil
	}
	if m.shut {
		return nil, errShut
	}
	if old != nil {
		m.floor = max(m.floor, old.end.Load()/int64(time.Second))
	}
	header, month := m.header(now, m.floor)
	file, err := m.file(header)
	if err != nil {
		return nil, fmt.Errorf("opening the counters of the period: %w", err)
	}
	next := m.newPeriod(file, month)
	if old != nil {
		m.closing = append(m.closing, old)
	}
	m.current.Store(next)
	return next, nil
}

// header is the period of an instant, less what came before floor: an earlier
// period of the same hour (Cut), or what was settled in an earlier run. A clock
// that was put back reopens nothing: the period that follows begins at once.
func (m *Meter) header(now, floor int64) (tally.Header, uint32) {
	start, length, month := m.config.Period(max(now/int64(time.Second), floor))
	if start < floor {
		start, length = floor, start+length-floor
	}
	return tally.Header{Node: m.config.Node, Start: start, Length: length}, month
}

// SetFloor says up to where everything is settled (Unix seconds): no period
// begins before.
func (m *Meter) SetFloor(settled int64) {
	m.periodLock.Lock()
	defer m.periodLock.Unlock()
	m.floor = max(m.floor, settled)
}

// Cut ends the current period at the next whole second instead of its own end,
// and returns that instant in Unix seconds. Roll begins the next one then. A
// period that a clock put back has not reached yet lasts a second.
func (m *Meter) Cut() int64 {
	m.periodLock.Lock()
	defer m.periodLock.Unlock()
	now, p := m.clock.Now().Event, m.current.Load()
	if p != nil {
		now = max(now, p.start)
	}
	at := now/int64(time.Second) + 1
	if p != nil && !m.shut && nanos(at) < p.end.Load() {
		p.end.Store(nanos(at))
	}
	return at
}

func (m *Meter) newPeriod(file *tally.File, month uint32) *period {
	h := file.Header()
	p := &period{file: file, month: month, start: nanos(h.Start)}
	p.end.Store(nanos(h.Start + h.Length))
	p.catalog = m.catalogAt(p.start)
	return p
}

// file returns the prepared file if it is the one, else makes it.
func (m *Meter) file(h tally.Header) (*tally.File, error) {
	if f := m.prepared; f != nil {
		m.prepared = nil
		if f.Header() == h {
			return f, nil
		}
		if err := discard(f); err != nil {
			return nil, err
		}
	}
	f, err := tally.Create(m.tallyConfig(), h)
	if err == nil && f.Warning() != nil {
		m.warned.Do(func() { m.log.Warn("counters are kept on a doubtful file system", "reason", f.Warning()) })
	}
	return f, err
}

func discard(f *tally.File) error {
	if err := f.Close(); err != nil {
		return err
	}
	return f.Remove()
}

func (m *Meter) tallyConfig() tally.Config {
	return tally.Config{Dir: m.config.Dir, SyncInterval: m.config.SyncInterval, OnSyncError: func(err error) {
		m.log.Error("counts did not reach the disk", "error", err)
	}}
}

// Prepare makes the file of the period after the current one, so that no call
// has to wait for it.
func (m *Meter) Prepare() error {
	m.periodLock.Lock()
	defer m.periodLock.Unlock()
	p := m.current.Load()
	if m.prepared != nil || p == nil {
		return nil
	}
	end := p.end.Load()
	header, _ := m.header(end, end/int64(time.Second))
	f, err := tally.Create(m.tallyConfig(), header)
	m.prepared = f
	return err
}

// Resume takes up a tally file of an earlier run, whose period ended at end
// (Unix seconds) at the latest: counted calls count against allowances and
// packages again. The period goes on if its time is not over.
func (m *Meter) Resume(f *tally.File, end int64) {
	h := f.Header()
	_, _, month := m.config.Period(h.Start)
	p := m.newPeriod(f, month)
	p.end.Store(min(p.end.Load(), nanos(end)))
	for slot, c := range f.Each() {
		if c.Kind.Billed() {
			m.Recount(c)
		}
		p.adopt(slot, c.Line)
	}
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

// adopt lets later calls of a line find the slot it had before a restart.
func (p *period) adopt(slot uint32, line account.Line) {
	if p.late == nil {
		p.late = make(map[account.Line]uint32)
	}
	p.resumed = true
	if _, taken := p.late[line]; !taken {
		p.late[line] = slot
	}
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

// OldestStart is where the oldest unsealed period begins, in Unix seconds.
func (m *Meter) OldestStart() int64 {
	if ended := m.Ended(); len(ended) > 0 {
		return ended[0].Start
	}
	return m.current.Load().start / int64(time.Second)
}

// Seal waits until the calls that arrived in the period have ended, at most for
// wait of real time (D6), closes its counters and returns what they counted.
// Calls that end later are counted in the period open then. Where the context
// ends first, nothing is closed, and the error is the context's.
func (m *Meter) Seal(ctx context.Context, e Ended, wait time.Duration) ([]account.Count, error) {
	m.barrier() // whoever saw this period as current has counted itself in
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if !e.p.drained(waiting) && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	e.p.closed.Store(true)
	m.barrier() // whoever saw it open has counted
	var counts []account.Count
	for _, c := range e.p.file.Each() {
		if c.Calls > 0 {
			counts = append(counts, c)
		}
	}
	return counts, nil
}

// barrier returns when every critical section that was running has ended.
func (m *Meter) barrier() {
	m.accountLock.RLock()
	defer m.accountLock.RUnlock()
	for _, a := range m.accounts {
		if a != nil {
			a.mu.Lock()
			a.mu.Unlock() //nolint:staticcheck // the passage is the point
		}
	}
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
	periods := append([]*period{}, m.closing...)
	if p := m.current.Load(); p != nil {
		periods = append(periods, p)
	}
	sums := make(map[account.Line]uint64)
	for _, p := range periods {
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
