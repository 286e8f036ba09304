package tally

import "github.com/tallygate/tallygate/account"

// merge takes over what the side file knows better about slot n.
func (r *recovery) merge(n uint32, im image) error {
	if int(n) < len(r.marks) && r.f.slots.slot(n).load() == im {
		return nil // as are nearly all after a kill
	}
	if im.check(r.f.header.id, n) != stateLive {
		return nil // written from a slot that was damaged already
	}
	if int(n) >= len(r.marks) {
		if err := r.f.extend(n + 1); err != nil {
			return err
		}
		r.marks = append(r.marks, make([]mark, int(r.f.slots.slots())-len(r.marks))...)
	}
	s, m := r.f.slots.slot(n), &r.marks[n]
	cur := s.load()
	switch {
	case *m&isLive == 0 || cur.void() && !im.void():
		s.store(im)
		*m |= isLive | fromSide
	case im.void():
	case cur.line() != im.line():
		*m |= wasBad // two whole slots of one number: the mapped one stays
	case im.calls() > cur.calls() || im.damaged() && !cur.damaged():
		calls := max(im.calls(), cur.calls())
		s.store(newImage(r.f.header.id, n, im.line(), im.flags()|cur.flags(), calls))
		*m |= fromSide
	}
	return nil
}

// settle makes every slot up to the last one whole, and reports those that
// were not. What stays uncertain is flagged in the slot, for later resumes and
// for whoever seals the tally.
func (r *recovery) settle() {
	used := r.inUse()
	for n := range uint32(used) {
		s, m := r.f.slots.slot(n), r.marks[n]
		im, was := s.load(), s.load()
		bad := m&wasBad != 0 || !r.rebooted && m&(isLive|fromSide) != isLive
		var flags uint8
		if bad && !r.closed {
			flags = flagDamaged
		}
		switch {
		case m&isLive != 0 && im.flags()|flags == im.flags(): // it stays
		case m&isLive != 0:
			im = newImage(r.f.header.id, n, im.line(), im.flags()|flags, im.calls())
		case m&isCounted != 0:
			im = newImage(r.f.header.id, n, im.line(), im.flags()|flags, 0)
		default:
			im = newImage(r.f.header.id, n, account.Line{}, flagVoid|flags, 0)
		}
		if im != was {
			s.store(im)
		}
		if !im.void() {
			r.report.Slots++
		}
		if bad || im.damaged() {
			r.report.Damaged = append(r.report.Damaged, Damage{
				Slot: n, Line: im.line(), LineKnown: !im.void(), Calls: im.calls(), LaterLost: im.damaged(),
			})
		}
	}
	r.report.Header = r.f.header.Header
	r.f.used.Store(uint32(used))
}
