package meter

import (
	"encoding/binary"
	"sync"
)

// keyTable finds keys by hash. Sharded, so that adding a key stalls nobody.
type keyTable struct {
	shards [256]keyShard
	blocks pool[keyBlock]
}

// keyShard has its keys without gaps, and finds them by a hash table with open
// addressing: a key's place is its home or, where that is taken, the next free
// one. No pointers: the garbage collector passes by.
type keyShard struct {
	sync.RWMutex
	places []place
	blocks []uint32 // the table's that its keys are in
	used   int
}

const keysInBlock = 16

// keyBlock is keys of one shard: so few that 256 shards leave little of their
// newest ones empty.
type keyBlock [keysInBlock]keyRecord

// keyRecord is one key. 40 bytes.
type keyRecord struct {
	hash    [32]byte
	account uint32
	bound   binding // and its kind, in the upper bits
}

func newKeyRecord(kind KeyKind, hash [32]byte, account uint32, b binding) keyRecord {
	return keyRecord{hash, account, b | binding(kind)<<bindingBits}
}

func (k *keyRecord) kind() KeyKind    { return KeyKind(k.bound >> bindingBits) }
func (k *keyRecord) binding() binding { return k.bound & (1<<bindingBits - 1) }

// place says which key lies there: its number in the shard and one, and above
// that a byte of its hash, so that few others are looked at. 0 = free.
type place uint32

const numberBits = 24 // in 256 shards, as many keys as there can be accounts

func newPlace(hash *[32]byte, n int) place { return place(hash[5])<<numberBits | place(n+1) }

func (p place) may(hash *[32]byte) bool { return byte(p>>numberBits) == hash[5] }
func (p place) number() int             { return int(p&(1<<numberBits-1)) - 1 }

func (t *keyTable) get(hash [32]byte) (k keyRecord, ok bool) {
	s := &t.shards[hash[0]]
	s.RLock()
	if _, found := s.find(t, &hash); found != nil {
		k, ok = *found, true
	}
	s.RUnlock()
	return k, ok
}

func (t *keyTable) put(k keyRecord) {
	s := &t.shards[k.hash[0]]
	s.Lock()
	defer s.Unlock()
	s.grow(t)
	at, known := s.find(t, &k.hash)
	if known != nil {
		*known = k
		return
	}
	if s.used == len(s.blocks)*keysInBlock {
		block, _ := t.blocks.take()
		s.blocks = append(s.blocks, block)
	}
	s.places[at] = newPlace(&k.hash, s.used)
	*s.key(t, s.used) = k
	s.used++
}

// remove moves the last key to where the removed one was.
func (t *keyTable) remove(hash [32]byte) {
	s := &t.shards[hash[0]]
	s.Lock()
	defer s.Unlock()
	at, k := s.find(t, &hash)
	if k == nil {
		return
	}
	s.used--
	last := s.key(t, s.used)
	from, _ := s.find(t, &last.hash)
	s.places[from] = newPlace(&last.hash, s.places[at].number())
	*k, *last = *last, keyRecord{}
	s.close(t, at)
}

func (s *keyShard) key(t *keyTable, n int) *keyRecord {
	return &t.blocks.at(s.blocks[n/keysInBlock])[n%keysInBlock]
}

// home is the place of a key unless it is taken. The first byte of the hash has
// chosen the shard.
func (s *keyShard) home(hash *[32]byte) int {
	return int(uint64(binary.LittleEndian.Uint32(hash[1:])) * uint64(len(s.places)) >> 32)
}

func (s *keyShard) after(at int) int {
	if at++; at < len(s.places) {
		return at
	}
	return 0
}

// find returns a key and its place, or nil and the free place where it would be
// put.
func (s *keyShard) find(t *keyTable, hash *[32]byte) (at int, k *keyRecord) {
	if len(s.places) == 0 {
		return 0, nil
	}
	for at = s.home(hash); s.places[at] != 0; at = s.after(at) {
		if p := s.places[at]; p.may(hash) {
			if k = s.key(t, p.number()); k.hash == *hash {
				return at, k
			}
		}
	}
	return at, nil
}

// expect makes room for so many keys in all, if they are spread as hashes are.
func (t *keyTable) expect(keys int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.Lock()
		if places := keys / len(t.shards) * 5 / 4; places > len(s.places) { // and some have more
			s.spread(t, places)
		}
		s.Unlock()
	}
}

// grow keeps an eighth of the places free, with one key more.
func (s *keyShard) grow(t *keyTable) {
	if s.used+1 > len(s.places)*7/8 {
		s.spread(t, max(8, len(s.places)+len(s.places)/4))
	}
}

// spread finds all keys a place among so many.
func (s *keyShard) spread(t *keyTable, places int) {
	s.places = make([]place, places)
	for n := range s.used {
		hash := &s.key(t, n).hash
		at := s.home(hash)
		for s.places[at] != 0 {
			at = s.after(at)
		}
		s.places[at] = newPlace(hash, n)
	}
}

// close frees a place and moves up those that come after it for want of it, so
// that each is still found from its home.
func (s *keyShard) close(t *keyTable, hole int) {
	s.places[hole] = 0
	for at := s.after(hole); s.places[at] != 0; at = s.after(at) {
		home := s.home(&s.key(t, s.places[at].number()).hash)
		if s.distance(home, at) >= s.distance(hole, at) {
			s.places[hole], s.places[at] = s.places[at], 0
			hole = at
		}
	}
}

// distance is how far a place comes after another.
func (s *keyShard) distance(from, to int) int {
	if to -= from; to < 0 {
		to += len(s.places)
	}
	return to
}
