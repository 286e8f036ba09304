package meter

import (
	"errors"

	"github.com/tallygate/tallygate/account"
)

// Call is a request for admission.
type Call struct {
	Key       Key
	Operation uint16
	Instance  string // named by the request, "" = not named (D38)
	Images    bool   // the request's names can be read: judge capacity, record what changes (D28)
	Observe   bool   // judge and record, refuse nothing
}

// Verdict is the answer. The zero Reason admits.
type Verdict struct {
	Reason    account.Kind // why not, a refusal
	Observed  bool         // let through all the same: forward, and count nothing
	Unmetered bool         // it cannot be counted, and runs all the same: see LetThrough
	At        Instant      // the call's arrival
	Account   uint32
	Limit     uint32 // calls in any second; 0 = not limited
	Remaining uint32 // of Limit, after this call
	Wait      int64  // nanoseconds until the window has room, or more room
	Class     Class  // of a subscribed operation
}

// Refused reports whether the call must not be forwarded.
func (v Verdict) Refused() bool { return v.Reason != 0 && !v.Observed && !v.Unmetered }

// Hold is what an admitted call holds until Post or Release. Use it once.
type Hold struct {
	account *Account
	period  *period
	line    account.Line
	slot    uint32
	image   *imageHold // of an add or a delete: call Ready before it is forwarded
}

// Line is what the call will be counted as.
func (h *Hold) Line() account.Line { return h.line }

// Admit decides whether a call may run now, all or nothing (D11, D20, D21, D27,
// D32). It takes nothing for a refused call, and counts the refusal (D5).
func (m *Meter) Admit(c Call) (h Hold, v Verdict) {
	a := c.Key.account
	if a == nil {
		return h, m.Refuse(c, account.Unauthenticated)
	}
	a.mu.Lock()
	v.At, v.Account = m.clock.Now(), a.number
	p, err := m.arrival(v.At.Event)
	if err != nil && m.letThrough.Load() && !errors.Is(err, errShut) {
		p, err = m.uncountable(v.At.Event, err), nil
	}
	if err != nil {
		m.unavailable(&c, &v)
	} else {
		v.At.Event = max(v.At.Event, p.start) // the swap of periods decides at equal instants
		m.judge(a, p, &c, &v, &h)
		if v.Reason != 0 && !v.Unmetered {
			m.refuse(a, p, &c, &v)
		}
	}
	a.mu.Unlock()
	return h, v
}

// judge fills in the hold, or the verdict's reason. The account is locked.
func (m *Meter) judge(a *Account, p *period, c *Call, v *Verdict, h *Hold) {
	op := p.catalog.operation(c.Operation)
	switch {
	case op == nil:
		v.Reason = account.UnknownOperation
	case op.Subscribed:
		m.judgeSubscribed(a, p, op, c, v, h)
	default:
		m.judgePayPerUse(a, p, op, v, h)
	}
}

// judgeSubscribed admits a call that a running subscription pays for (002).
func (m *Meter) judgeSubscribed(a *Account, p *period, op *Operation, c *Call, v *Verdict, h *Hold) {
	if a.releasedBy(m.store, v.At.Event) {
		v.Reason = account.Released
		return
	}
	in, reason := a.instanceOf(m.store, c)
	if v.Reason = reason; reason != 0 {
		return
	}
	term, plan, reason := in.term(m.store, op.Service, v.At.Event)
	if v.Reason = reason; reason != 0 {
		return
	}
	w := in.window(m.store, op.Class)
	v.Class = op.Class
	if !v.rate(m.store, w, plan.limits[op.Class]) {
		return
	}
	images := c.Images && op.Class != ClassSearch
	m.hold(a, p, w, account.Line{Account: a.number, Operation: op.Number, Kind: account.Subscription, Ref: term}, images, v, h)
	if v.Reason == 0 && images {
		h.image = in.holdImage(m.store, a, op.Class, plan.maxImages, v.At.Mono, c.Observe)
	}
}

// judgePayPerUse admits a call funded by free allowance, package or balance, in
// that order (000, D11).
func (m *Meter) judgePayPerUse(a *Account, p *period, op *Operation, v *Verdict, h *Hold) {
	line, reason := a.fund(m.store, op, p.month, v.At.Event)
	if line.Kind == account.PayPerUse && !a.inArrears && m.realtime.Load() && !a.affords(m.store, op, p.month) {
		reason = account.PaymentRequired
	}
	if reason == account.Released || reason == account.InArrears {
		v.Reason = reason
		return
	}
	var w *window
	if op.QPS > 0 {
		if w = a.rate(m.store, op.Number); !v.rate(m.store, w, op.QPS) {
			return
		}
	}
	if v.Reason = reason; reason != 0 {
		return
	}
	if m.hold(a, p, w, line, false, v, h); v.Reason == 0 {
		a.take(m.store, op, line, p.month)
	}
}

// hold reserves the counter and takes the place in the window.
func (m *Meter) hold(a *Account, p *period, w *window, line account.Line, images bool, v *Verdict, h *Hold) {
	var slot uint32
	err := m.countable(p)
	if err == nil {
		slot, err = m.slot(a, p, line)
	}
	if err != nil {
		m.uncounted(v, line, images, err)
	}
	if v.Refused() {
		return
	}
	if v.Limit > 0 {
		w.take(&m.store.rings, v.At.Mono)
		v.Remaining--
		if v.Wait == 0 {
			v.Wait = second
		}
	}
	if v.Unmetered {
		return
	}
	if admissionLog {
		logAdmission(line, *v)
	}
	p.inflight.Add(1)
	*h = Hold{account: a, period: p, line: line, slot: slot}
}

// rate asks a window for room and notes what it said. It takes nothing.
func (v *Verdict) rate(s *store, w *window, limit uint32) bool {
	v.Limit = limit
	v.Remaining, v.Wait = w.room(&s.rings, limit, v.At.Mono)
	if v.Remaining == 0 {
		v.Reason = account.RateLimited
	}
	return v.Remaining > 0
}

// fund chooses what pays for a call, and takes nothing.
func (a *Account) fund(s *store, op *Operation, month uint32, now int64) (account.Line, account.Kind) {
	line := account.Line{Account: a.number, Operation: op.Number}
	if a.releasedBy(s, now) {
		return line, account.Released
	}
	blocked := a.blocked(s, now)
	if !blocked && op.Free > 0 && a.freeUsed(s, op.Number, month) < op.Free {
		line.Kind, line.Ref = account.Free, month
		return line, 0
	}
	for turn := range a.packages(s) {
		p := a.packageAt(s, turn)
		if p.Operation == op.Number && p.Left > 0 && p.Start <= now && now < p.End {
			line.Kind, line.Ref = account.Package, p.Number
			return line, 0
		}
	}
	switch {
	case blocked:
		return line, account.InArrears
	case !a.payPerUse:
		return line, account.PaymentRequired
	}
	line.Kind = account.PayPerUse
	return line, 0
}

// take holds one call of what pays for a line; give returns it.
func (a *Account) take(s *store, op *Operation, line account.Line, month uint32) {
	switch line.Kind {
	case account.Free:
		a.useFree(s, line.Operation, line.Ref, 1)
	case account.Package:
		a.findPackage(s, line.Ref).Left--
	case account.PayPerUse:
		a.charged(s, line.Operation, month, op, 1).held++
	}
}

func (a *Account) give(s *store, line account.Line, month uint32) {
	switch line.Kind {
	case account.Free:
		a.giveFree(s, line.Operation, line.Ref)
	case account.Package:
		if p := a.findPackage(s, line.Ref); p != nil {
			p.Left++
		}
	case account.PayPerUse:
		u := a.findCharges(s, line.Operation).of(s, month)
		u.calls--
		u.held--
	}
}
