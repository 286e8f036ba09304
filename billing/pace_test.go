package billing

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPace: nobody rests who has hardly worked, and nobody for long.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pace
		rest := func(worked time.Duration) time.Duration {
			time.Sleep(worked)
			began := time.Now()
			p.rest()
			return time.Since(began)
		}
		p.begin(true)
		for _, c := range []struct{ worked, rest time.Duration }{
			{workAtOnce - 1, 0},
			{1, workAtOnce * 2 / 5}, // both together
			{workAtOnce - 1, 0},
			{10 * time.Millisecond, (10*time.Millisecond + workAtOnce - 1) * 2 / 5},
			{time.Minute, restMax},
		} {
			if got := rest(c.worked); got != c.rest {
				t.Errorf("a rest of %s after %s, want %s", got, c.worked, c.rest)
			}
		}
		if p.begin(false); rest(time.Second) != 0 {
			t.Error("it rests while somebody waits")
		}
	})
}
