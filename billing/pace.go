package billing

import "time"

// pace is that of work which nobody waits for. A call that arrives while every
// processor is busy waits until what runs there rests, or for the scheduler to take it
// away, which is milliseconds. So it works for a moment only and rests often, not for
// long after much. The zero value never rests.
type pace struct {
	rests  bool
	rested time.Time // when the last rest ended
}

const (
	// workAtOnce is how long it works between two rests, where it can stop.
	workAtOnce = 500 * time.Microsecond
	// restMax bounds a rest on a machine, or under a debugger, that is very slow.
	restMax = 20 * time.Millisecond
)

// begin starts to work, with rests or without.
func (p *pace) begin(rests bool) { *p = pace{rests, time.Now()} }

// rest rests for two fifths of the time since the last rest, unless that is short. The
// system makes it a millisecond, mostly.
func (p *pace) rest() {
	if worked := time.Since(p.rested); p.rests && worked >= workAtOnce {
		time.Sleep(min(worked*2/5, restMax))
		p.rested = time.Now()
	}
}
