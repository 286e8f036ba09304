package meter

import "github.com/tallygate/tallygate/account"

// fewCounters is how many lines an account counts in a period without needing
// more memory.
const fewCounters = 2

// counter remembers the slot of one of an account's lines in the account's
// newest period.
type counter struct {
	operation uint16
	kind      account.Kind // 0 = not taken
	observed  bool
	ref       uint32
	slot      uint32
}

func (c *counter) counts(l *account.Line) bool {
	return c.kind == l.Kind && c.operation == l.Operation && c.ref == l.Ref && c.observed == l.Observed
}

// moreCounters are those of an account that counts more lines. 28 bytes.
type moreCounters struct {
	next     uint32
	counters [2]counter
}

// findCounter looks for the slot of a line in the account's newest period.
func (a *Account) findCounter(s *store, l *account.Line) (slot uint32, ok bool) {
	for i := range a.counters {
		if c := &a.counters[i]; c.counts(l) {
			return c.slot, true
		}
	}
	for more := s.counters.at(a.moreCounters); more != nil; more = s.counters.at(more.next) {
		for i := range more.counters {
			if c := &more.counters[i]; c.counts(l) {
				return c.slot, true
			}
		}
	}
	return 0, false
}

// addCounter remembers the slot of a line that is not there.
func (a *Account) addCounter(s *store, l account.Line, slot uint32) {
	*a.freeCounter(s) = counter{operation: l.Operation, kind: l.Kind, observed: l.Observed, ref: l.Ref, slot: slot}
}

// freeCounter makes more where none is free; only the newest may be.
func (a *Account) freeCounter(s *store) *counter {
	few := a.counters[:]
	if more := s.counters.at(a.moreCounters); more != nil {
		few = more.counters[:]
	}
	for i := range few {
		if few[i].kind == 0 {
			return &few[i]
		}
	}
	number, more := s.counters.take()
	more.next, a.moreCounters = a.moreCounters, number
	return &more.counters[0]
}

// forgetCounters begins a period.
func (a *Account) forgetCounters(s *store, period uint32) {
	for more := a.moreCounters; more != 0; {
		next := s.counters.at(more).next
		s.counters.give(more)
		more = next
	}
	a.period, a.counters, a.moreCounters = period, [fewCounters]counter{}, 0
}

// slot returns the counter of a line in a period, made at its first use.
func (m *Meter) slot(a *Account, p *period, line account.Line) (uint32, error) {
	if a.period != p.number {
		if a.period > p.number {
			return p.oldSlot(line)
		}
		a.forgetCounters(m.store, p.number)
	}
	if slot, ok := a.findCounter(m.store, &line); ok {
		return slot, nil
	}
	slot, err := p.file.Slot(line)
	if err == nil {
		a.addCounter(m.store, line, slot)
	}
	return slot, err
}
