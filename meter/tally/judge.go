package tally

import (
	"errors"
	"fmt"
	"slices"
)

// judge decides how far the mapped file can be trusted to be the newer one.
func (r *recovery) judge() {
	h := &r.f.side.header
	if r.base < 0 {
		if r.inUse() > 0 || slices.ContainsFunc(r.found[:], found.ruined) {
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
	if r.cut() {
		r.report.Faults = append(r.report.Faults, fmt.Errorf("%s: cut at %d", r.f.path, r.size))
		if !r.rebooted {
			h.skipped++
		}
	}
	r.report.PowerLosses, r.report.SideSkipped = int(h.powerLosses), int(h.skipped)
}

// cut reports whether the mapped file was longer once, by all that can be known.
//
// An odd size alone is no sign of it. The file grows by whole chunks, but not in
// one step: ext4 moves its end with every extent, so that a power loss or a full
// disk leaves a part; where zeros are written instead, so does a kill. But no slot
// of a chunk is given out before the chunk is whole. So a slot in use behind the
// last whole chunk, which the side file or that part knows, proves a longer file;
// and so does a side file of this boot where there is no whole chunk, since Open
// maps one before it writes there. What stays unknown is a cut that took nothing but
// slots first given out after the last sync, back to where the chunk began.
//
// After a power loss such a size is no damage: it is not synced, as what is mapped
// is not, and the side file's next sync need not take it along. What may be missing
// is what any power loss takes. Only the header is synced, before the file has its
// name: a size below it was never left by one.
func (r *recovery) cut() bool {
	if r.size < mapHeaderBytes {
		return true
	}
	whole := (r.size - mapHeaderBytes) / chunkBytes * chunkSlots
	longer := int64(r.inUse()) > whole || whole == 0 && slices.ContainsFunc(r.found[:], r.ofThisBoot)
	return longer && !r.rebooted
}

// ofThisBoot says that no power loss came between the half and now.
func (r *recovery) ofThisBoot(f found) bool {
	boot := r.f.cfg.boot
	return f.present && boot != "" && f.header.boot == boot
}

// inUse is the number of slots up to the last that is not empty.
func (r *recovery) inUse() int {
	n := len(r.marks)
	for n > 0 && r.marks[n-1] == 0 {
		n--
	}
	return n
}
