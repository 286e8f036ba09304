package meter

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"unsafe"
)

// textsAtOnce is how many bytes of texts come into being together.
const textsAtOnce = 1 << 16

// texts are the names of instances, each after its length, one after another. A
// text's number says in which array it lies, and where. They stay.
//
// The names that customers give to their first search index come again and
// again. A few are remembered, so that these lie there once; names that do not
// repeat cost nothing beyond themselves.
type texts struct {
	arrays list[[]byte]
	lock   sync.Mutex
	used   int // of the newest array
	recent [256]uint32
}

var textSeed = maphash.MakeSeed()

// at returns a text where it lies: nothing writes there any more.
func (t *texts) at(number uint32) string {
	text := t.arrays.all()[number/textsAtOnce][number%textsAtOnce:]
	length, n := binary.Uvarint(text)
	return unsafe.String(&text[n], int(length))
}

// number returns the number of a text, an earlier one where it is remembered.
func (t *texts) number(s string) uint32 {
	t.lock.Lock()
	defer t.lock.Unlock()
	known := &t.recent[maphash.String(textSeed, s)%uint64(len(t.recent))]
	if *known == 0 || t.at(*known) != s {
		*known = t.add(s)
	}
	return *known
}

// add writes a text behind the others, or, where it has no room there, into a new
// array.
func (t *texts) add(s string) uint32 {
	arrays := t.arrays.all()
	size := binary.MaxVarintLen64 + len(s)
	if len(arrays) == 0 || t.used+size > len(arrays[len(arrays)-1]) {
		t.arrays.add(make([]byte, max(textsAtOnce, 1+size)))
		arrays, t.used = t.arrays.all(), 1 // 0 is the number of none
	}
	at := t.used
	array := arrays[len(arrays)-1]
	t.used += binary.PutUvarint(array[at:], uint64(len(s)))
	t.used += copy(array[t.used:], s)
	return uint32((len(arrays)-1)*textsAtOnce + at)
}
