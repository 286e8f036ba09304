package billing

import "time"

// pace is that of a settlement, which nobody waits for and which is to be over in time.
// A call that finds every processor busy waits until what runs there rests, or is taken
// off, also where it has a low priority. So a settlement works for a moment only,
// and rests as long as it is ahead of its time. The zero value never rests.
type pace struct {
	rests  bool
	due    time.Time // when what is done so far might have been done
	rested time.Time // when the last rest ended
}

const (
	// blockTime is what a block may take: a million accounts 3.9 s, beside the half
	// second to a second that sealing their counts takes.
	blockTime = 250 * time.Microsecond
	// workAtOnce is how long it works between two rests, where it can stop.
	workAtOnce = 200 * time.Microsecond
	restMax    = time.Millisecond
)

// begin starts to work, with rests or without.
func (p *pace) begin(rests bool) {
	now := time.Now()
	*p = pace{rests, now, now}
}

// done says that one more block is done.
func (p *pace) done() { p.due = p.due.Add(blockTime) }

// rest rests where there is time, unless it has hardly worked.
func (p *pace) rest() {
	now := time.Now()
	if ahead := p.due.Sub(now); p.rests && ahead > 0 && now.Sub(p.rested) >= workAtOnce {
		time.Sleep(min(ahead, restMax))
		p.rested = time.Now()
	}
}
