package ledger

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Numbers are most of what a block is written down as, and a start reads a hundred
// million of them.

func (c *coder) uint(v *uint64) {
	if c.decoding {
		*v = c.read()
	} else {
		c.write(*v)
	}
}

// small visits a number of fewer than 64 bits.
func small[T ~uint8 | ~uint16 | ~uint32](c *coder, v *T) {
	if !c.decoding {
		c.write(uint64(*v))
		return
	}
	u := c.read()
	if *v = T(u); uint64(*v) != u {
		c.fail()
	}
}

func signed[T ~int64](c *coder, v *T) {
	if !c.decoding {
		c.write(zigzag(int64(*v)))
		return
	}
	*v = T(unzigzag(c.read()))
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

func (c *coder) write(v uint64) {
	if v < 0x80 { // most are small
		c.b = append(c.b, byte(v))
	} else {
		c.b = binary.AppendUvarint(c.b, v)
	}
}

func (c *coder) read() uint64 {
	if at := c.at; at < len(c.b) && c.b[at] < 0x80 {
		c.at = at + 1
		return uint64(c.b[at])
	}
	return c.readLong()
}

// readLong reads eight bytes at once, and takes out of them the seven bits of each up to
// the first that says that it is the last.
func (c *coder) readLong() uint64 {
	if c.left() < 8 {
		return c.readBytes()
	}
	x := binary.LittleEndian.Uint64(c.b[c.at:])
	ends := ^x & 0x8080808080808080
	if ends == 0 {
		return c.readBytes()
	}
	c.at += bits.TrailingZeros64(ends)/8 + 1
	x &= (ends ^ (ends - 1)) & 0x7f7f7f7f7f7f7f7f
	x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
	x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
	return x&0x000000000fffffff | x&0x0fffffff00000000>>4
}

func (c *coder) readBytes() uint64 {
	v, n := binary.Uvarint(c.b[c.at:])
	if n <= 0 {
		c.fail()
		return 0
	}
	c.at += n
	return v
}

// near visits a number that is close to another, and leaves it as the other.
func near(c *coder, v, other *uint32) {
	delta := int64(*v) - int64(*other)
	signed(c, &delta)
	if c.decoding {
		at := int64(*other) + delta
		if at < 0 || at > math.MaxUint32 {
			c.fail()
		}
		*v = uint32(at)
	}
	*other = *v
}

// month visits a month. In a compact value it is written by the one that came
// last.
func (c *coder) month(v, last *uint32) {
	if c.compact {
		near(c, v, last)
	} else {
		small(c, v)
	}
}

// instant visits Unix seconds. In a compact value they are written by those that
// came last.
func (c *coder) instant(v, last *int64) {
	if !c.compact {
		signed(c, v)
		return
	}
	since := *v - *last
	signed(c, &since)
	if c.decoding {
		*v = *last + since // wraps there and back
	}
	*last = *v
}

// besides visits a number that is at least another, as a rule: in a compact
// value only the rest is written.
func (c *coder) besides(v *uint64, other uint64) {
	if !c.compact {
		c.uint(v)
		return
	}
	rest := *v - other
	c.uint(&rest)
	if c.decoding {
		*v = other + rest // wraps there and back
	}
}
