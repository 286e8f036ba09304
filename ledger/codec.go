package ledger

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// How values are written down, the same in every backend that keeps bytes.
//
//	version, 1 byte | fields | CRC-32C, 4 bytes little-endian
//
// Unsigned numbers are uvarints, signed ones zigzag varints, texts and lists
// have their length in front. The check also covers what the value is of (an
// account's block, a movement's number), which is therefore not written: a
// value that turns up under the wrong key fails. Equal values are equal bytes;
// an empty list or text reads back as nil. What is added to values later is an
// extra: it needs no other version.
const codecVersion = 2

const checkSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// subject begins the check of a value by what it is of.
type subject uint32

func subjectOf(kind byte, a, b uint64) subject {
	var id [17]byte
	id[0] = kind
	binary.BigEndian.PutUint64(id[1:], a)
	binary.BigEndian.PutUint64(id[9:], b)
	return subject(crc32.Checksum(id[:], castagnoli))
}

func subjectNamed(kind byte, name []byte) subject {
	return subject(crc32.Update(crc32.Checksum([]byte{kind}, castagnoli), castagnoli, name))
}

func (s subject) check(b []byte) uint32 { return crc32.Update(uint32(s), castagnoli, b) }

// encode appends a value whose fields the walk visits.
func (s subject) encode(dst []byte, walk func(*coder)) []byte {
	c := coder{b: append(dst, codecVersion)}
	walk(&c)
	return s.seal(c.b, len(dst))
}

// seal ends a value that starts at a place.
func (s subject) seal(b []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(b, s.check(b[start:]))
}

// decode checks a value and lets the walk fill what it visits.
func (s subject) decode(value []byte, walk func(*coder)) error {
	body, err := s.open(value)
	if err != nil {
		return err
	}
	c := coder{b: body, decoding: true}
	walk(&c)
	return c.end()
}

// end tells whether a value was read to its end, and nothing beyond it.
func (c *coder) end() error {
	if c.bad || c.left() > 0 {
		return fmt.Errorf("%w: a value does not follow its format", ErrDamaged)
	}
	return nil
}

// open checks a value and returns its fields.
func (s subject) open(value []byte) ([]byte, error) {
	body, err := s.unseal(value)
	if err != nil {
		return nil, err
	}
	if body[0] != codecVersion {
		return nil, otherFormat(body[0])
	}
	return body[1:], nil
}

func otherFormat(version byte) error {
	return fmt.Errorf("%w: a value has format %d, which this release does not read", ErrDamaged, version)
}

// unseal checks a value and returns its format and its fields.
func (s subject) unseal(value []byte) ([]byte, error) {
	if len(value) < 1+checkSize {
		return nil, fmt.Errorf("%w: a value of %d bytes", ErrDamaged, len(value))
	}
	body, check := value[:len(value)-checkSize], value[len(value)-checkSize:]
	if s.check(body) != binary.LittleEndian.Uint32(check) {
		return nil, fmt.Errorf("%w: a value fails its checksum", ErrDamaged)
	}
	return body, nil
}

// coder visits the fields of a value, writing them down or filling them in: one
// walk is both the encoder and the decoder. Writing only reads the fields.
type coder struct {
	b        []byte
	at       int // how much of b is read
	decoding bool
	compact  bool   // numbers near others are written as what they differ by
	bad      bool   // the bytes ran out, or a number was out of range
	texts    *texts // where the texts that are read stand, nil = each by itself
	lists    int    // of each slab that are still to come, with the one that is read
}

func (c *coder) fail() { c.at, c.bad = len(c.b), true }

func (c *coder) left() int { return len(c.b) - c.at }

// flags visits up to 7 truths in one byte.
func (c *coder) flags(flags ...*bool) {
	var set uint8
	for i, f := range flags {
		if *f {
			set |= 1 << i
		}
	}
	small(c, &set)
	if !c.decoding {
		return
	}
	if set>>len(flags) != 0 {
		c.fail()
	}
	for i, f := range flags {
		*f = set>>i&1 == 1
	}
}

// extra visits fields that values did not have from the beginning. They stand
// behind all others under a number, ascending, and only where there is something
// to say: what an earlier release wrote has none, and is written as it was.
func (c *coder) extra(number uint8, some bool, visit func()) {
	if c.decoding {
		if some = c.left() > 0 && c.b[c.at] == number; some {
			c.at++
		}
	} else if some {
		c.b = append(c.b, number)
	}
	if some {
		visit()
	}
}

// length visits how many bytes or elements follow; each takes a byte at least.
func (c *coder) length(n int) int {
	u := uint64(n)
	c.uint(&u)
	if c.decoding && u > uint64(c.left()) {
		c.fail()
		return 0
	}
	return int(u)
}

func text[T ~string](c *coder, v *T) {
	n := c.length(len(*v))
	if !c.decoding {
		c.b = append(c.b, *v...)
		return
	}
	if b := c.b[c.at : c.at+n]; c.texts != nil {
		*v = T(c.texts.cut(b))
	} else {
		*v = T(b)
	}
	c.at += n
}

func (c *coder) blob(v *[]byte) {
	s := string(*v)
	text(c, &s)
	if c.decoding && s != "" {
		*v = []byte(s)
	}
}

func (c *coder) hash(v *[32]byte) {
	switch {
	case !c.decoding:
		c.b = append(c.b, v[:]...)
	case c.left() < len(v):
		c.fail()
	default:
		c.at += copy(v[:], c.b[c.at:])
	}
}
