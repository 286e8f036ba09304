package tally

import "errors"

// judge decides how far the mapped file can be trusted to be the newer one.
func (r *recovery) judge() {
	h := &r.f.side.header
	if r.base < 0 {
		if r.inUse() > 0 {
			h.skipped++
			r.report.Faults = append(r.report.Faults, errors.New("no usable side file"))
		}
	} else {
		base := r.found[r.base]
		h.powerLosses, h.skipped = base.header.powerLosses, base.header.skipped
		r.closed = base.closed
		r.rebooted = r.f.cfg.boot == "" || base.header.boot != r.f.cfg.boot
		if r.rebooted && !r.closed {
			h.powerLosses++
			h.skipped += base.skipped
		}
	}
	if r.cut != nil && !r.rebooted { // the length is not synced, as what is mapped is not
		h.skipped++
		r.report.Faults = append(r.report.Faults, r.cut)
	}
	r.report.PowerLosses, r.report.SideSkipped = int(h.powerLosses), int(h.skipped)
}

// inUse is the number of slots up to the last that is not empty.
func (r *recovery) inUse() int {
	n := len(r.marks)
	for n > 0 && r.marks[n-1] == 0 {
		n--
	}
	return n
}
