package ledger

import "strings"

// maxTrusted bounds how many elements are allocated for on the word of a length
// alone; more grow as they are read.
const maxTrusted = 256

func list[T any](c *coder, v *[]T, each func(*T)) { listIn(c, nil, v, each) }

// listIn visits a list whose elements, when they are read, stand in a slab.
func listIn[T any](c *coder, s *slab[T], v *[]T, each func(*T)) {
	n := c.length(len(*v))
	if !c.decoding {
		for i := range *v {
			each(&(*v)[i])
		}
		return
	}
	if n > 0 || s != nil && s.spare > 0 {
		*v = s.cut(n, c.lists)
	}
	for i := 0; i < n && !c.bad; i++ {
		*v = append(*v, *new(T))
		each(&(*v)[i])
	}
}

// texts are where several texts stand, in few allocations. Most are those of other
// accounts as well, as the names of offers are, and stand there once.
type texts struct {
	chunk strings.Builder
	known [32]string // by their ends, which is a guess
}

const textChunk = 2048

// cut returns a text that stays as it is.
func (t *texts) cut(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	known := &t.known[(len(b)+int(b[0])<<1+int(b[len(b)-1]))%len(t.known)]
	if *known != string(b) {
		*known = t.add(b)
	}
	return *known
}

func (t *texts) add(b []byte) string {
	if t.chunk.Cap()-t.chunk.Len() < len(b) {
		t.chunk.Reset()
		t.chunk.Grow(max(len(b), textChunk))
	}
	from := t.chunk.Len()
	t.chunk.Write(b)
	return t.chunk.String()[from:]
}

// slab is room for the elements of several lists, which are allocated for
// together.
type slab[T any] struct {
	left  []T
	used  int // elements since the last reset
	all   []T // what left was at the last reset
	spare int // elements that each list can be longer by
}

// cut returns an empty list with room for n elements, maxTrusted at most. What
// is appended beyond that goes elsewhere, and never into another list's room.
func (s *slab[T]) cut(n, lists int) []T {
	if s == nil || n > maxTrusted {
		return make([]T, 0, min(n, maxTrusted))
	}
	n += s.spare
	if s.used += n; n > len(s.left) {
		s.left = make([]T, max(n, min(n*lists, maxTrusted)))
	}
	cut := s.left[:0:n]
	s.left = s.left[n:]
	return cut
}

// reset makes all of the slab free, and so large that what was cut since the last
// time fits.
func (s *slab[T]) reset() {
	if s.used > len(s.all) {
		s.all = make([]T, s.used)
	}
	s.left, s.used = s.all, 0
}
