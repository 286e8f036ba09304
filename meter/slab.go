package meter

import "sync"

// slabSize is how many values are allocated together.
const slabSize = 64

// slab gives out values that stay for as long as their accounts do, from arrays of
// slabSize: a garbage collector that has to visit each of millions by itself takes a
// multiple of the time. One that is dropped all the same is freed with the others of
// its array.
type slab[T any] struct {
	mu   sync.Mutex
	rest []T
}

// one returns a zero value.
func (s *slab[T]) one() *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rest) == 0 {
		s.rest = make([]T, slabSize)
	}
	v := &s.rest[0]
	s.rest = s.rest[1:]
	return v
}

var (
	instanceSlab slab[instance]
	chargesSlab  slab[charges]
)
