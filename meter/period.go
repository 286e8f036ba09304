package meter

import (
	"errors"
	"fmt"
	"io/fs"
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
	number   uint32       // counts up from 1 in this process
	start    int64        // event time, Unix nanoseconds
	end      atomic.Int64 // the same; moved only by Cut
	month    uint32
	file     *tally.File
	catalog  *Catalog
	inflight atomic.Int64
	closed   atomic.Bool

	lateLock sync.Mutex
	late     map[account.Line]uint32 // slots that no account remembers
	failed   error                   // why it has no file; it is no period then, see uncountable
}

// oldSlot is a counter in a period that its account has left behind. A line may
// get a second one, beside that which the account remembered.
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
	if m.rollErr != nil && time.Since(m.rollFailed) < rollPause {
		return nil, m.rollErr
	}
	if old != nil {
		m.floor = max(m.floor, old.end.Load()/int64(time.Second))
	}
	header, month := m.header(now, m.floor)
	file, err := m.file(header)
	if err != nil {
		m.rollErr, m.rollFailed = fmt.Errorf("%w: %w", errNoCounters, err), time.Now()
		return nil, m.rollErr
	}
	m.rollErr = nil
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
	p := &period{number: m.periods.Add(1), file: file, month: month, start: nanos(h.Start)}
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
	f, err := m.create(h)
	if err == nil && f.Warning() != nil {
		m.warned.Do(func() { m.log.Warn("counters are kept on a doubtful file system", "reason", f.Warning()) })
	}
	return f, err
}

// create makes a period's file. One that is there was prepared, and could not be
// removed when the period was cut, for a failure of the disk: nothing is counted in
// it. Were it left, no call could be counted for an hour.
func (m *Meter) create(h tally.Header) (*tally.File, error) {
	f, err := tally.Create(m.tallyConfig(), h)
	left := new(fs.PathError)
	if !errors.Is(err, fs.ErrExist) || !errors.As(err, &left) {
		return f, err
	}
	old, _, failed := tally.Open(m.tallyConfig(), left.Path)
	if failed != nil {
		return nil, errors.Join(err, failed)
	}
	for _, c := range old.Each() {
		if c.Calls > 0 {
			return nil, errors.Join(err, old.Close())
		}
	}
	if err := old.Remove(); err != nil {
		return nil, err
	}
	return tally.Create(m.tallyConfig(), h)
}

// discard closes and removes a file, whether or not its last sync works.
func discard(f *tally.File) error { return f.Remove() }

func (m *Meter) tallyConfig() tally.Config {
	return tally.Config{Dir: m.config.Dir, SyncInterval: m.config.SyncInterval, MakeRoom: m.config.MakeRoom, OnSyncError: m.SyncFailed}
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
	f, err := m.create(header)
	m.prepared = f
	return err
}
