package meter

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// exact is the rule itself: remember every admission for ever.
type exact struct{ admitted []int64 }

func (e *exact) inWindow(now int64) (n uint32) {
	for _, at := range e.admitted {
		if now-at < second {
			n++
		}
	}
	return n
}

// TestWindowIsTheRule holds windows, whose rings lie together, against endless
// logs of admissions, under bursts, idle times beyond the wrap of 32-bit stamps,
// and changes of the limit (D27).
func TestWindowIsTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := new(rings)
		var windows [3]window
		var logs [3]exact
		n := rapid.Uint32Range(1, 25).Draw(t, "n")
		now := rapid.Int64Range(0, 1<<40).Draw(t, "start")
		for range rapid.IntRange(1, 300).Draw(t, "calls") {
			now += rapid.OneOf(rapid.Int64Range(0, second/10), rapid.Int64Range(0, 2*second), rapid.Just(second),
				rapid.Int64Range(4*second, 10*second)).Draw(t, "gap")
			if rapid.IntRange(0, 40).Draw(t, "change") == 0 {
				n = rapid.Uint32Range(1, 25).Draw(t, "new n")
			}
			which := rapid.IntRange(0, 2).Draw(t, "window")
			w, log := &windows[which], &logs[which]
			if rapid.IntRange(0, 40).Draw(t, "drop") == 0 {
				w.drop(s)
				log.admitted = nil
			}
			free, wait := w.room(s, n, now)
			want := n - min(n, log.inWindow(now))
			if free != want {
				t.Fatalf("at %d with limit %d: room for %d, the rule says %d", now, n, free, want)
			}
			if free == 0 {
				if later, _ := w.room(s, n, now); later != 0 {
					t.Fatal("asking changed the answer")
				}
				if log.inWindow(now+wait) >= n || log.inWindow(now+wait-1) < n {
					t.Fatalf("wait %d is not the shortest that helps", wait)
				}
				continue
			}
			w.take(s, now)
			log.admitted = append(log.admitted, now)
			if rapid.IntRange(0, 5).Draw(t, "give back") == 0 {
				i := rapid.IntRange(0, len(log.admitted)-1).Draw(t, "which")
				stamp := log.admitted[i]
				now += rapid.Int64Range(0, second).Draw(t, "later")
				if w.giveBack(s, stamp, now); now-stamp < second {
					log.admitted = slices.Delete(log.admitted, i, i+1)
				}
			}
		}
	})
}

// TestPacedClientIsNeverRefused: call k+N comes at least a second after call k.
func TestPacedClientIsNeverRefused(t *testing.T) {
	for _, n := range []uint32{1, 5, 10, 20, 1000} {
		var w window
		s := new(rings)
		stamps := make([]int64, 0, 5*n)
		for k := range 5 * int(n) {
			now := int64(k) * 7
			if k >= int(n) {
				now = max(now, stamps[k-int(n)]+second)
			}
			if free, _ := w.room(s, n, now); free == 0 {
				t.Fatalf("limit %d: paced call %d refused", n, k)
			}
			w.take(s, now)
			stamps = append(stamps, now)
		}
	}
}
