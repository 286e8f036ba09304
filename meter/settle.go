package meter

import (
	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/failpoint"
)

// Post counts the call: one more in the counter reserved for it (D1). The count
// is what kill -9 cannot take back. A call that outlived its period's sealing
// is counted in the period open now, with the funding it held (D6).
//
// What an add or a delete changed is in the ledger before it is counted (D28);
// where the ledger cannot take it, the call counts all the same.
func (m *Meter) Post(h *Hold) {
	if h.image != nil {
		m.recordChange(h.image)
	}
	a := h.account
	a.mu.Lock()
	p, slot := h.period, h.slot
	if p.closed.Load() {
		p, slot = m.openSlot(a, h)
	}
	if p != nil {
		failpoint.Hit("call/counting")
		p.file.Add(slot)
		m.totals.add(h.line.Operation, h.line.Kind)
		failpoint.Hit("call/counted")
	}
	if h.line.Kind == account.PayPerUse {
		a.findCharges(m.store, h.line.Operation).posted(m.store, h.period, p)
	}
	a.mu.Unlock()
	h.period.inflight.Add(-1)
}

// Release gives back what the call held and counts why it was not billed.
func (m *Meter) Release(h *Hold, why account.Kind) {
	if i := h.image; i != nil {
		i.account.mu.Lock()
		m.leave(i)
		i.account.mu.Unlock()
		m.endIntent(i)
	}
	m.giveBack(h, why)
}

// Doubt releases an add or a delete of which nobody knows whether the upstream
// has done it: its image is uncertain (D28).
func (m *Meter) Doubt(h *Hold, why account.Kind) {
	if i := h.image; i != nil {
		i.account.mu.Lock()
		i.doubtful = true
		i.account.mu.Unlock()
		m.recordChange(i)
	}
	m.giveBack(h, why)
}

func (m *Meter) giveBack(h *Hold, why account.Kind) {
	a := h.account
	a.mu.Lock()
	a.give(m.store, h.line, h.period.month)
	m.unbilled(h, account.Line{Account: a.number, Operation: h.line.Operation, Kind: why})
	a.mu.Unlock()
	h.period.inflight.Add(-1)
}

// unbilled counts why a call is not billed, in its period or the one open now.
func (m *Meter) unbilled(h *Hold, line account.Line) {
	p := h.period
	if p.closed.Load() {
		p, _ = m.periodAt(m.clock.Now().Event)
	}
	if p != nil {
		m.count(h.account, p, line)
	}
}

// openSlot finds a counter for a late call in the period open now.
func (m *Meter) openSlot(a *Account, h *Hold) (*period, uint32) {
	p, err := m.periodAt(m.clock.Now().Event)
	if err == nil {
		var slot uint32
		if slot, err = m.slot(a, p, h.line); err == nil {
			return p, slot
		}
	}
	m.unmetered(h.line, err)
	return nil, 0
}

// Refuse records a call that was turned away before Admit could judge it:
// unknown key, unknown operation.
func (m *Meter) Refuse(c Call, reason account.Kind) (v Verdict) {
	a := c.Key.account
	if a == nil {
		a = m.nobody
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	v.At, v.Account, v.Reason = m.clock.Now(), a.number, reason
	p, err := m.arrival(v.At.Event)
	if err != nil {
		m.unavailable(&c, &v)
		return v
	}
	m.refuse(a, p, &c, &v)
	return v
}

// refuse counts the verdict's refusal. The account is locked.
func (m *Meter) refuse(a *Account, p *period, c *Call, v *Verdict) {
	v.Observed = c.Observe
	m.count(a, p, account.Line{Account: a.number, Operation: c.Operation, Kind: v.Reason, Observed: c.Observe})
}

// unavailable is the verdict where there are no counters at all.
func (m *Meter) unavailable(c *Call, v *Verdict) {
	if v.Reason == 0 {
		v.Reason = account.MeteringUnavailable
	}
	v.Observed = c.Observe
	m.reject(v.Reason)
}

// count adds one to a line that is not billed. Where no counter can be had the
// tally of refusals is one short: no money hangs on it.
func (m *Meter) count(a *Account, p *period, line account.Line) {
	m.totals.add(line.Operation, line.Kind)
	if p.failed != nil {
		return
	}
	slot, err := m.slot(a, p, line)
	if err != nil {
		m.log.Debug("a refusal could not be counted", "account", line.Account, "operation", line.Operation, "kind", line.Kind.String(), "error", err)
		return
	}
	p.file.Add(slot)
}
