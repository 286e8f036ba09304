package billing

import (
	"hash/maphash"
	"slices"
	"sync"
)

// stripes are locks by name. Names that share a stripe wait for one another,
// which costs a little time and never correctness. They are held until the journal
// has a command, so there are many more than clients.
type stripes struct {
	locks [8192]sync.Mutex
}

var stripeSeed = maphash.MakeSeed()

// lock locks all the names, in one order for everybody, and returns the unlock.
func (s *stripes) lock(names ...string) (unlock func()) {
	var at []int
	for _, n := range names {
		if n != "" {
			at = append(at, int(maphash.String(stripeSeed, n)%uint64(len(s.locks))))
		}
	}
	slices.Sort(at)
	at = slices.Compact(at)
	for _, i := range at {
		s.locks[i].Lock()
	}
	return func() {
		for _, i := range at {
			s.locks[i].Unlock()
		}
	}
}
