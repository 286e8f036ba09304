package meter

import "time"

// window admits at most n calls in any sliding second, and never refuses a
// paced client (D27). It remembers the stamps of the admitted calls of the last
// second; refused calls leave no trace. A single one is known by when it leaves
// the window, so that most accounts need no memory for more.
//
// 12 bytes: an int64 would make it 16, and every instance 8 larger.
type window struct {
	low, high uint32 // of when the youngest admission is a second old
	ring      uint32 // 0 before the first two admissions within a second
}

const second = int64(time.Second)

// full is when the youngest admission is a second old.
func (w *window) full() int64 { return int64(w.high)<<32 | int64(w.low) }

func (w *window) fill(until int64) { w.low, w.high = uint32(until), uint32(until>>32) }

// room drops what is out of the window and returns how many calls it has room
// for at now, and in how many nanoseconds the oldest stamp leaves it (0 if the
// window is empty). now must not run backwards.
func (w *window) room(s *rings, n uint32, now int64) (free uint32, wait int64) {
	switch full := w.full(); {
	case now >= full:
		if w.ring != 0 {
			s.at(w.ring).clear()
		}
		return n, 0
	case w.ring == 0:
		return n - min(n, 1), full - now
	}
	return s.at(w.ring).room(n, now)
}

// take records an admission. The caller has asked room first.
func (w *window) take(s *rings, now int64) {
	if w.ring == 0 && now < w.full() {
		w.ring = s.first()
		s.at(w.ring).push(uint32(w.full() - second))
	}
	if w.ring != 0 {
		if s.at(w.ring).full() {
			w.ring = s.larger(w.ring)
		}
		s.at(w.ring).push(uint32(now))
	}
	w.fill(now + second)
}

// giveBack takes an admission back, as though it had not been. What is a second
// old has left the window already.
func (w *window) giveBack(s *rings, stamp, now int64) {
	switch {
	case now-stamp >= second:
	case w.ring != 0:
		s.at(w.ring).remove(uint32(stamp))
	case w.full() == stamp+second:
		w.fill(0)
	}
}

// drop forgets all admissions.
func (w *window) drop(s *rings) {
	if w.ring != 0 {
		s.give(w.ring)
	}
	*w = window{}
}
