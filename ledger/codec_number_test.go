package ledger

import (
	"encoding/binary"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestNumbersAreUvarints: bytes are read as encoding/binary reads them, as far as it
// does, and where it fails so does the coder. Many end in the midst of a number, and some
// numbers are longer than they need to be, or than 64 bits.
func TestNumbersAreUvarints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0x80, 0xff, 0x01, 0x02}))
		b := rapid.SliceOfN(one, 0, 40).Draw(t, "bytes")
		c := coder{b: b, decoding: true}
		for left := b; ; {
			want, n := binary.Uvarint(left)
			var got uint64
			if c.uint(&got); n <= 0 {
				if !c.bad {
					t.Fatalf("% x: no error, want one after %d bytes", b, len(b)-len(left))
				}
				return
			}
			if left = left[n:]; got != want || c.bad || c.left() != len(left) {
				t.Fatalf("% x: %d with %d bytes left (bad: %t), want %d with %d", b, got, c.left(), c.bad, want, len(left))
			}
		}
	})
}

// TestSignedAreVarints, as encoding/binary writes them.
func TestSignedAreVarints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{0, -1, 1, 63, 64, -64, -65, math.MinInt64, math.MaxInt64})).Draw(t, "number")
		var c coder
		signed(&c, &v)
		if want := binary.AppendVarint(nil, v); string(c.b) != string(want) {
			t.Fatalf("%d is % x, want % x", v, c.b, want)
		}
		d, got := coder{b: c.b, decoding: true}, int64(0)
		if signed(&d, &got); got != v || d.end() != nil {
			t.Fatalf("%d is read as %d, %v", v, got, d.end())
		}
	})
}
