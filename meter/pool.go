package meter

import "sync"

// atOnce is how many values of a pool come into being together.
const atOnce = 1024

// pool has values that are referred to by number, where a pointer would cost
// twice the memory, and the garbage collector a visit: it passes by an array of
// values without pointers, however many they are. Values never move, so the pool
// guards only which of them are in use; what is in one is guarded by the lock of
// what refers to it.
type pool[T any] struct {
	arrays list[*[atOnce]T]
	lock   sync.Mutex
	given  uint32   // the highest number that is or was in use
	free   []uint32 // those that were given back
}

// at returns the value of a number, nil for 0, which is none's.
func (p *pool[T]) at(number uint32) *T {
	if number == 0 {
		return nil
	}
	return &p.arrays.all()[number/atOnce][number%atOnce]
}

// take returns a zero value.
func (p *pool[T]) take() (number uint32, v *T) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if last := len(p.free) - 1; last >= 0 {
		number, p.free = p.free[last], p.free[:last]
		return number, p.at(number)
	}
	p.given++
	if int(p.given/atOnce) == len(p.arrays.all()) {
		p.arrays.add(new([atOnce]T))
	}
	return p.given, p.at(p.given)
}

// give takes a value back that nothing refers to any more.
func (p *pool[T]) give(number uint32) {
	var zero T
	*p.at(number) = zero
	p.lock.Lock()
	defer p.lock.Unlock()
	p.free = append(p.free, number)
}
