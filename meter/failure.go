package meter

import (
	"errors"
	"fmt"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter/tally"
)

// Where a call cannot be counted, because the disk is full or fails, it is refused
// with MeteringUnavailable; or, if that is what the operator wants, let through
// and recorded as unmetered. Adds and deletes of images are refused either way:
// nobody would know what an instance holds (D28).

// LetThrough says whether calls that cannot be counted run all the same.
func (m *Meter) LetThrough(yes bool) { m.letThrough.Store(yes) }

// What counts as a failure of syncing: the newest state on disk is so old.
const (
	staleIntervals = 10
	hangs          = 5 * time.Second // a sync that has not failed, but does not end
)

// rollPause is how long a period's file that could not be made is not tried again.
const rollPause = 100 * time.Millisecond

var errNoCounters = errors.New("the counters of the period could not be made")

// uncountable is a period without counters: calls are judged by it, and neither
// counted nor held.
func (m *Meter) uncountable(now int64, why error) *period {
	m.periodLock.Lock()
	defer m.periodLock.Unlock()
	_, month := m.header(now, m.floor)
	return &period{start: now, month: month, catalog: m.catalogAt(now), failed: why}
}

// countable reports why a call that arrives now would not be counted for sure.
func (m *Meter) countable(p *period) error {
	if p.failed != nil {
		return p.failed
	}
	if why := m.stale.Load(); why != nil {
		return *why
	}
	return nil
}

// uncounted is the verdict on a call that would run, were there a counter for it.
func (m *Meter) uncounted(v *Verdict, line account.Line, images bool, why error) {
	v.Reason = account.MeteringUnavailable
	if m.letThrough.Load() && !images {
		v.Unmetered = true
		m.unmetered(line, why)
	}
}

// watchSync looks whether counts reach the disk, until the meter closes.
func (m *Meter) watchSync() {
	interval := m.config.SyncInterval
	if interval == 0 {
		interval = tally.DefaultSyncInterval
	}
	if interval < 0 {
		return
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-m.closed:
			return
		case <-tick.C:
			m.judgeSync(interval)
		}
	}
}

// SyncFailed says so once, until syncs work again.
func (m *Meter) SyncFailed(err error) {
	if !m.syncFails.Swap(true) {
		m.log.Error("counts did not reach the disk; it is tried again all the time", "error", err)
	}
}

func (m *Meter) judgeSync(interval time.Duration) {
	p := m.current.Load()
	if p == nil {
		return
	}
	err, age, most := p.file.Err(), p.file.SyncAge(), staleIntervals*interval
	if err == nil {
		most = max(most, hangs)
	}
	if err == nil && m.syncFails.Swap(false) {
		m.log.Info("counts reach the disk again")
	}
	if age <= most {
		m.stale.Store(nil)
		return
	}
	why := fmt.Errorf("counts have not reached the disk for %s", age.Round(time.Millisecond))
	if err != nil {
		why = fmt.Errorf("%w: %w", why, err)
	}
	if m.stale.Swap(&why) == nil {
		m.log.Error("calls cannot be counted for sure", "error", why)
	}
}

// Failing is why calls cannot be counted at present, nil where they can.
func (m *Meter) Failing() error {
	if why := m.stale.Load(); why != nil {
		return *why
	}
	m.periodLock.Lock()
	defer m.periodLock.Unlock()
	return m.rollErr
}

// unmetered reports a call that ran, or had run, and could not be counted.
func (m *Meter) unmetered(line account.Line, err error) {
	m.totals.unmetered[min(line.Operation, maxOperations-1)].Add(1)
	if m.config.Unmetered != nil {
		m.config.Unmetered(line, err)
		return
	}
	m.log.Error("a call could not be counted", "account", line.Account, "operation", line.Operation,
		"kind", line.Kind.String(), "error", err)
}
