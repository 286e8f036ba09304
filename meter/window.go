package meter

import "time"

// window admits at most n calls in any sliding second, and never refuses a
// paced client (D27). It remembers the stamps of the admitted calls of the last
// second; refused calls leave no trace. A single one is known by when it leaves
// the window, so that most accounts need no memory for more.
type window struct {
	full  int64  // when the youngest admission is a second old
	burst *burst // nil before the first two admissions within a second
}

// burst is a ring of stamps, at most as many as calls are admitted in a second.
//
// Stamps are the low 32 bits of a nanosecond clock, 4.29 s before they wrap.
// Every touch drops the stamps that are a second old, so none that stays is
// older than two seconds at the next touch, unless the last admission itself is
// over a second past, and then the whole ring is empty.
type burst struct {
	head  uint32 // index of the oldest stamp
	count uint32 // how many stamps are held
	ring  []uint32
}

const second = int64(time.Second)

// room drops what is out of the window and returns how many calls it has room
// for at now, and in how many nanoseconds the oldest stamp leaves it (0 if the
// window is empty). now must not run backwards.
func (w *window) room(n uint32, now int64) (free uint32, wait int64) {
	switch {
	case now >= w.full:
		if w.burst != nil {
			w.burst.count, w.burst.head = 0, 0
		}
		return n, 0
	case w.burst == nil:
		return n - min(n, 1), w.full - now
	}
	return w.burst.room(n, now)
}

// take records an admission. The caller has asked room first.
func (w *window) take(n uint32, now int64) {
	if w.burst == nil && now < w.full {
		w.burst = &burst{}
		w.burst.take(n, w.full-second)
	}
	if w.burst != nil {
		w.burst.take(n, now)
	}
	w.full = now + second
}

// giveBack takes an admission back, as though it had not been. What is a second
// old has left the window already.
func (w *window) giveBack(stamp, now int64) {
	switch {
	case now-stamp >= second:
	case w.burst != nil:
		w.burst.giveBack(stamp)
	case w.full == stamp+second:
		w.full = 0
	}
}

func (b *burst) room(n uint32, now int64) (free uint32, wait int64) {
	for b.count > 0 {
		age := int64(uint32(now) - b.ring[b.head])
		if age < second {
			wait = second - age
			break
		}
		b.head = (b.head + 1) % uint32(len(b.ring))
		b.count--
	}
	if b.count > 0 && b.count >= n {
		return 0, b.waitFor(b.count-n, now)
	}
	return n - b.count, wait
}

// waitFor is how long until the (skip+1)th oldest stamp leaves the window. Skip
// is 0 but after a change to a smaller n.
func (b *burst) waitFor(skip uint32, now int64) int64 {
	i := (b.head + skip) % uint32(len(b.ring))
	return second - int64(uint32(now)-b.ring[i])
}

func (b *burst) take(n uint32, now int64) {
	if size := uint32(len(b.ring)); b.count == size {
		b.resize(min(n, max(2, 2*size)))
	}
	b.ring[(b.head+b.count)%uint32(len(b.ring))] = uint32(now)
	b.count++
}

func (b *burst) giveBack(stamp int64) {
	n := uint32(len(b.ring))
	for i := b.count; i > 0; i-- {
		if b.ring[(b.head+i-1)%n] != uint32(stamp) {
			continue
		}
		for ; i < b.count; i++ {
			b.ring[(b.head+i-1)%n] = b.ring[(b.head+i)%n]
		}
		b.count--
		return
	}
}

// resize moves the held stamps to a larger ring.
func (b *burst) resize(size uint32) {
	ring := make([]uint32, size)
	for i := range b.count {
		ring[i] = b.ring[(b.head+i)%uint32(len(b.ring))]
	}
	b.ring, b.head = ring, 0
}

// rate is the window of a pay-per-use operation, in a list of them.
type rate struct {
	next      *rate
	window    window
	operation uint16
}

// rate returns an operation's window, made at its first use.
func (a *Account) rate(operation uint16) *window {
	for r := a.rates; r != nil; r = r.next {
		if r.operation == operation {
			return &r.window
		}
	}
	a.rates = &rate{next: a.rates, operation: operation}
	return &a.rates.window
}
