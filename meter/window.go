package meter

import "time"

// window admits at most n calls in any sliding second, and never refuses a
// paced client (D27). It remembers the stamps of the admitted calls of the last
// second in a ring of n; refused calls leave no trace.
//
// Stamps are the low 32 bits of a nanosecond clock, 4.29 s before they wrap.
// Every touch drops the stamps that are a second old, so none that stays is
// older than two seconds at the next touch, unless the last admission itself is
// over a second past, and then the whole ring is empty.
type window struct {
	last  int64    // full stamp of the youngest admission
	head  uint32   // index of the oldest stamp
	count uint32   // how many stamps are held
	ring  []uint32 // len = n; allocated on first use
}

const second = int64(time.Second)

// room drops what is out of the window and returns how many calls it has room
// for at now, and in how many nanoseconds the oldest stamp leaves it (0 if the
// window is empty). now must not run backwards: callers clamp it to last.
func (w *window) room(n uint32, now int64) (free uint32, wait int64) {
	if w.count == 0 || now-w.last >= second {
		w.count, w.head = 0, 0
		return n, 0
	}
	for w.count > 0 {
		age := int64(uint32(now) - w.ring[w.head])
		if age < second {
			wait = second - age
			break
		}
		w.head = (w.head + 1) % uint32(len(w.ring))
		w.count--
	}
	if w.count >= n {
		return 0, w.waitFor(w.count-n, now)
	}
	return n - w.count, wait
}

// waitFor is how long until the (skip+1)th oldest stamp leaves the window. Skip
// is 0 but after a change to a smaller n.
func (w *window) waitFor(skip uint32, now int64) int64 {
	i := (w.head + skip) % uint32(len(w.ring))
	return second - int64(uint32(now)-w.ring[i])
}

// take records an admission. The caller has asked room first.
func (w *window) take(n uint32, now int64) {
	if w.ring == nil || (uint32(len(w.ring)) != n && w.count <= n) {
		w.resize(n)
	}
	w.ring[(w.head+w.count)%uint32(len(w.ring))] = uint32(now)
	w.count++
	w.last = now
}

// giveBack takes an admission back, as though it had not been. What is a second
// old has left the window already.
func (w *window) giveBack(stamp, now int64) {
	if now-stamp >= second {
		return
	}
	n := uint32(len(w.ring))
	for i := w.count; i > 0; i-- {
		if w.ring[(w.head+i-1)%n] != uint32(stamp) {
			continue
		}
		for ; i < w.count; i++ {
			w.ring[(w.head+i-1)%n] = w.ring[(w.head+i)%n]
		}
		w.count--
		return
	}
}

// resize moves the held stamps to a ring of n, after a change of the limit.
func (w *window) resize(n uint32) {
	ring := make([]uint32, n)
	for i := range w.count {
		ring[i] = w.ring[(w.head+i)%uint32(len(w.ring))]
	}
	w.ring, w.head = ring, 0
}
