package meter

// ring is the stamps of the calls that a window admitted in the last second:
// where the oldest lies, how many there are, and room for them.
//
// Stamps are the low 32 bits of a nanosecond clock, 4.29 s before they wrap.
// Every touch drops the stamps that are a second old, so none that stays is
// older than two seconds at the next touch, unless the last admission itself is
// over a second past, and then the whole ring is empty.
type ring []uint32

const (
	ringHead   = iota // which stamp is the oldest
	ringCount         // how many are held
	ringStamps        // where they begin
)

func (r ring) clear() { r[ringHead], r[ringCount] = 0, 0 }

func (r ring) full() bool { return int(r[ringCount]) == len(r)-ringStamps }

// place is where the nth oldest stamp lies, or would lie.
func (r ring) place(n uint32) *uint32 {
	stamps := r[ringStamps:]
	at := int(r[ringHead]) + int(n)
	if at >= len(stamps) {
		at -= len(stamps)
	}
	return &stamps[at]
}

// push adds the youngest stamp. There is room.
func (r ring) push(stamp uint32) {
	*r.place(r[ringCount]) = stamp
	r[ringCount]++
}

// pop drops the oldest stamp.
func (r ring) pop() {
	r[ringCount]--
	if r[ringHead]++; int(r[ringHead]) == len(r)-ringStamps {
		r[ringHead] = 0
	}
}

// room drops the stamps that are a second old.
func (r ring) room(n uint32, now int64) (free uint32, wait int64) {
	for r[ringCount] > 0 {
		age := r.age(0, now)
		if age < second {
			wait = second - age
			break
		}
		r.pop()
	}
	if count := r[ringCount]; count > 0 && count >= n {
		return 0, second - r.age(count-n, now) // more than n are held after a change to a smaller one
	}
	return n - r[ringCount], wait
}

// age is how long ago the nth oldest call was admitted.
func (r ring) age(n uint32, now int64) int64 { return int64(uint32(now) - *r.place(n)) }

// remove drops the youngest stamp that equals one.
func (r ring) remove(stamp uint32) {
	count := r[ringCount]
	for n := count; n > 0; n-- {
		if *r.place(n - 1) != stamp {
			continue
		}
		for ; n < count; n++ {
			*r.place(n - 1) = *r.place(n)
		}
		r[ringCount]--
		return
	}
}
