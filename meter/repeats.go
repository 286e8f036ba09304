package meter

import (
	"hash/maphash"
	"strings"
	"sync"
)

// repeats lets equal strings share memory where they come again and again, as
// the names that customers give to their first search index do. It remembers a
// few; names that do not repeat cost nothing.
type repeats struct {
	lock   sync.Mutex
	recent [256]string
}

var repeatSeed = maphash.MakeSeed()

// one returns a string that equals s, an earlier one where it is remembered.
func (r *repeats) one(s string) string {
	r.lock.Lock()
	defer r.lock.Unlock()
	known := &r.recent[maphash.String(repeatSeed, s)%uint64(len(r.recent))]
	if *known != s {
		*known = strings.Clone(s) // or it would keep the texts that it was read with
	}
	return *known
}
