package billing

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPace: a settlement takes its time, rests often and never for long, and does not
// rest where it is late or somebody waits.
func TestPace(t *testing.T) {
	t.Parallel()
	took := func(p *pace, work time.Duration) time.Duration {
		began := time.Now()
		for range 1000 {
			time.Sleep(work)
			p.done()
			before := time.Now()
			if p.rest(); time.Since(before) > restMax {
				t.Fatalf("a rest of %s", time.Since(before))
			}
		}
		return time.Since(began)
	}
	synctest.Test(t, func(t *testing.T) {
		var p pace
		for work, want := range map[time.Duration]time.Duration{
			blockTime / 2: 1000 * blockTime,
			blockTime * 2: 2000 * blockTime,
		} {
			p.begin(true)
			if got := took(&p, work); got > want || got < want-2*workAtOnce {
				t.Errorf("%s for work of %s, want %s", got, 1000*work, want)
			}
		}
		p.begin(false)
		if got := took(&p, blockTime/2); got != 500*blockTime {
			t.Errorf("%s without rests", got)
		}
	})
}

// TestWhoIsPaced: a settlement that calls are served beside.
func TestWhoIsPaced(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	for n, paced := range []bool{true, false} {
		r.Paced = paced
		r.settle(t, november.Unix()+int64(n)*hour)
		if err := r.applyPending(); err != nil || r.pace.rests != paced {
			t.Errorf("rests: %t, want %t; %v", r.pace.rests, paced, err)
		}
	}
}
