package meter

import "sync"

// register numbers the values of a kind of which there are few, however many
// refer to them. They stay.
type register[T comparable] struct {
	values  list[T]
	lock    sync.RWMutex
	numbers map[T]uint32
}

// at returns the value of a number.
func (r *register[T]) at(number uint32) *T { return &r.values.all()[number-1] }

// firstFew are so many values that to look at each takes less time than the lock.
const firstFew = 8

// find returns the number of a value, 0 where it has none.
func (r *register[T]) find(v T) uint32 {
	first := r.values.all()
	first = first[:min(len(first), firstFew)]
	for i := range first {
		if first[i] == v {
			return uint32(i + 1)
		}
	}
	if len(first) < firstFew {
		return 0
	}
	r.lock.RLock()
	defer r.lock.RUnlock()
	return r.numbers[v]
}

// number returns the number of a value, given at its first use.
func (r *register[T]) number(v T) uint32 {
	if number := r.find(v); number != 0 {
		return number
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	if number := r.numbers[v]; number != 0 {
		return number
	}
	if r.numbers == nil {
		r.numbers = make(map[T]uint32)
	}
	r.values.add(v)
	r.numbers[v] = uint32(len(r.numbers) + 1)
	return r.numbers[v]
}
