package meter

import "sync"

// rings has rings by number, of 4 words, of 8, and so on: the upper bits of the
// number say of how many, the others, less one, which of these it is.
type rings struct {
	lock  sync.Mutex
	sizes [1 << (32 - ringBits)]ringSize
}

// ringSize has the rings of one size.
type ringSize struct {
	arrays list[[]uint32]
	given  uint32   // how many are or were in use
	free   []uint32 // those that were given back
}

const (
	ringBits    = 27 // of a number that tell the rings of a size apart
	leastRing   = 2  // 1<<2 words
	ringsAtOnce = 12 // 1<<12 words come into being together, or one larger ring
)

func sizeOf(number uint32) uint32 { return (number - 1) >> ringBits }

// wordsOf returns how many words a ring of a size has, and an array of such
// rings, as powers of two.
func wordsOf(size uint32) (ring, array uint32) {
	ring = size + leastRing
	return ring, max(ring, ringsAtOnce)
}

// at returns the ring of a number.
func (s *rings) at(number uint32) ring {
	size := sizeOf(number)
	words, array := wordsOf(size)
	at := uint64((number-1)%(1<<ringBits)) << words
	return s.sizes[size].arrays.all()[at>>array][at%(1<<array):][:1<<words]
}

// first returns an empty ring of the least size.
func (s *rings) first() (number uint32) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.take(0)
}

// larger moves a ring's stamps to one of the next size.
func (s *rings) larger(number uint32) uint32 {
	s.lock.Lock()
	defer s.lock.Unlock()
	bigger := s.take(sizeOf(number) + 1)
	to := s.at(bigger)
	for from := s.at(number); from[ringCount] > 0; from.pop() {
		to.push(*from.place(0))
	}
	s.free(number)
	return bigger
}

// give takes a ring back that no window has any more.
func (s *rings) give(number uint32) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.free(number)
}

func (s *rings) take(size uint32) (number uint32) {
	of := &s.sizes[size]
	if last := len(of.free) - 1; last >= 0 {
		number, of.free = of.free[last], of.free[:last]
		s.at(number).clear()
		return number
	}
	words, array := wordsOf(size)
	if int(uint64(of.given)<<words>>array) == len(of.arrays.all()) {
		of.arrays.add(make([]uint32, 1<<array))
	}
	of.given++
	return size<<ringBits + of.given
}

func (s *rings) free(number uint32) {
	of := &s.sizes[sizeOf(number)]
	of.free = append(of.free, number)
}
