package tally

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/tallygate/tallygate/account"
)

// Static flags of a slot, beside the line.
const (
	flagObserved = 1 << iota // Line.Observed
	flagDamaged              // the count is a lower bound: later calls may be missing
	flagVoid                 // no line: the slot only keeps its place
)

const (
	slotBytes = 32
	slotMark  = 0x544f4c53 // "SLOT"; keeps a written seal from ever being zero
	countBits = 48
	countMask = 1<<countBits - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// slot is a slot in the mapping. 32 divides 512, so no slot straddles a sector.
type slot [4]atomic.Uint64

// Words of a slot.
const (
	wordWho   = iota // account, operation<<32, kind<<48, flags<<56
	wordRef          // ref; the upper half is zero
	wordSeal         // slotMark, CRC<<32
	wordCount        // calls, check bits<<48
)

// storeOrder has the seal last: a zero seal is no slot.
var storeOrder = [4]int{wordWho, wordRef, wordCount, wordSeal}

// image is the words of a slot at one instant.
type image [4]uint64

func newImage(id uint64, n uint32, line account.Line, flags uint8, calls uint64) image {
	if line.Observed {
		flags |= flagObserved
	}
	im := image{
		uint64(line.Account) | uint64(line.Operation)<<32 | uint64(line.Kind)<<48 | uint64(flags)<<56,
		uint64(line.Ref),
	}
	im[2] = im.sealFor(id, n)
	im[3] = countWord(n, calls)
	return im
}

// sealed are buffers for what a seal is of. They are kept since crc32.Checksum
// moves a local one to the heap, where all slots of a busy hour make 60 MB.
var sealed = sync.Pool{New: func() any { return new([28]byte) }}

func (im image) sealFor(id uint64, n uint32) uint64 {
	b := sealed.Get().(*[28]byte)
	binary.LittleEndian.PutUint64(b[0:], id)
	binary.LittleEndian.PutUint32(b[8:], n)
	binary.LittleEndian.PutUint64(b[12:], im[0])
	binary.LittleEndian.PutUint64(b[20:], im[1])
	crc := crc32.Checksum(b[:], castagnoli)
	sealed.Put(b)
	return slotMark | uint64(crc)<<32
}

func (im image) flags() uint8  { return uint8(im[0] >> 56) }
func (im image) void() bool    { return im.flags()&flagVoid != 0 }
func (im image) damaged() bool { return im.flags()&flagDamaged != 0 }
func (im image) calls() uint64 { return im[3] & countMask }

func (im image) line() account.Line {
	return account.Line{
		Account:   uint32(im[0]),
		Operation: uint16(im[0] >> 32),
		Kind:      account.Kind(im[0] >> 48),
		Observed:  im.flags()&flagObserved != 0,
		Ref:       uint32(im[1]),
	}
}

// state is what the check of an image found.
type state uint8

const (
	stateEmpty     state = iota // never finished, never counted
	stateLive                   // whole
	stateBadCount               // the line is known, the count is not
	stateBadStatic              // the line is not known
)

// check judges the image of slot n. A kill while a slot is made leaves its seal
// zero and its count unwritten or zero, which is no slot yet.
func (im image) check(id uint64, n uint32) state {
	counted := im[3] != 0 && im[3] != countWord(n, 0)
	switch {
	case im[2] == 0 && !counted:
		return stateEmpty
	case im[2] != im.sealFor(id, n):
		return stateBadStatic
	case im[3] != countWord(n, im.calls()):
		return stateBadCount
	}
	return stateLive
}

func (s *slot) load() image {
	return image{s[0].Load(), s[1].Load(), s[2].Load(), s[3].Load()}
}

// store writes an image so that a kill in between leaves no slot where there
// was none, and damage where there was one.
func (s *slot) store(im image) {
	s[wordSeal].Store(0)
	for _, word := range storeOrder {
		s[word].Store(im[word])
	}
}

// The check bits of a count word are CRC-16-CCITT of the count, which detects
// every flip of up to three of the word's bits, xored with a nonzero tag of the
// slot's number, which detects a zeroed word and most misplaced ones.
// The CRC is linear: adding one flips the trailing ones and the zero above
// them, so the new word is the old one xored with an entry of step. A damaged
// word therefore stays damaged, however often it is counted up.
const crc16Poly = 0x1021

var (
	bitCheck = bitChecks()
	step     = steps()
)

func bitChecks() (t [countBits]uint16) {
	v := uint16(crc16Poly) // x^16 modulo the polynomial
	for i := range t {
		t[i] = v
		top := v >> 15
		v = v<<1 ^ top*crc16Poly
	}
	return t
}

// steps leaves the entries from 48 on zero: a full counter stays full.
func steps() (t [64]uint64) {
	var flip uint64
	for i, c := range bitCheck {
		flip ^= 1<<i | uint64(c)<<countBits
		t[i] = flip
	}
	return t
}

func countWord(n uint32, calls uint64) uint64 {
	check := uint16(1 + n%0xffff)
	for rest := calls; rest != 0; rest &= rest - 1 {
		check ^= bitCheck[bits.TrailingZeros64(rest)]
	}
	return calls | uint64(check)<<countBits
}

// next is the count word after one more call.
func next(word uint64) uint64 {
	return word ^ step[bits.TrailingZeros64(^word)&63]
}
