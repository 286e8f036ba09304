package usage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/tallygate/tallygate/account"
)

// decode checks all of a file's bytes and keeps them.
func decode(b []byte) (*File, error) {
	f, err := decodeParts(b)
	if err != nil {
		return nil, err
	}
	footer := b[len(b)-footerSize:]
	digest := sha256.New()
	digest.Write(b[:len(b)-sha256.Size])
	if !bytes.Equal(digest.Sum(nil), footer[footerSums:]) {
		return nil, errors.New("SHA-256 of the content")
	}
	digest.Write(footer[footerSums:])
	sum, err := f.total()
	if err != nil {
		return nil, err
	}
	want := Sum{Billed: binary.LittleEndian.Uint64(footer[8:]), NotBilled: binary.LittleEndian.Uint64(footer[16:])}
	if lines := binary.LittleEndian.Uint64(footer); lines <= math.MaxInt {
		want.Lines = int(lines)
	}
	if sum != want {
		return nil, fmt.Errorf("sums: the lines make %+v, the footer says %+v", sum, want)
	}
	f.info.Name, f.info.Size, f.info.Sum = f.info.Header.Name(), int64(len(b)), sum
	digest.Sum(f.info.Hash[:0])
	return f, nil
}

// decodeParts checks magic and every CRC, and cuts the file into its parts.
func decodeParts(b []byte) (*File, error) {
	if len(b) < len(magic)+footerSize {
		return nil, fmt.Errorf("length: %d bytes are no usage file", len(b))
	}
	if version := len(magic) - 1; string(b[:version]) != magic[:version] {
		return nil, errors.New("magic: no usage file")
	} else if b[version] != magic[version] {
		return nil, fmt.Errorf("format version %d, this release reads %d", b[version], magic[version])
	}
	rest := b[len(magic) : len(b)-footerSize]
	var parts [3][]byte
	var err error
	for i, name := range []string{"header", "shapes", "index"} {
		if parts[i], rest, err = section(rest); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	f := &File{}
	if f.info.Header, err = decodeHeader(parts[0]); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if f.shapes, err = decodeShapes(parts[1], f.info.Header); err != nil {
		return nil, fmt.Errorf("shapes: %w", err)
	}
	if f.index, err = decodeIndex(parts[2], rest); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return f, nil
}

func section(b []byte) (content, rest []byte, err error) {
	if len(b) < 8 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-8) {
		return nil, nil, errors.New("the section is longer than the file")
	}
	end := 4 + int(binary.LittleEndian.Uint32(b))
	if crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return nil, nil, errors.New("checksum")
	}
	return b[4:end], b[end+4:], nil
}

// input reads values one after the other. After the first failure it yields
// zeros, and done reports it.
type input struct {
	b   []byte
	err error
}

func (in *input) fail(format string, args ...any) {
	if in.err == nil {
		in.err = fmt.Errorf(format, args...)
	}
	in.b = nil
}

func (in *input) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(in.b)
	if n <= 0 {
		in.fail("a number is cut short or too long")
		return 0
	}
	if v > limit {
		in.fail("%d is more than %d", v, limit)
		return 0
	}
	in.b = in.b[n:]
	return v
}

// count reads how many items follow, of at least size bytes each, so that no
// more is allocated than the file can hold.
func (in *input) count(size int) int {
	return int(in.uvarint(uint64(len(in.b) / size)))
}

func (in *input) take(n int) []byte {
	if n > len(in.b) {
		in.fail("cut short")
		return make([]byte, min(n, 8))
	}
	b := in.b[:n]
	in.b = in.b[n:]
	return b
}

func (in *input) done() error {
	if in.err == nil && len(in.b) > 0 {
		in.fail("%d bytes too many", len(in.b))
	}
	return in.err
}

func decodeHeader(b []byte) (Header, error) {
	in := input{b: b}
	h := Header{
		Node:    string(in.take(in.count(1))),
		Start:   int64(in.uvarint(math.MaxInt64)),
		Length:  int64(in.uvarint(math.MaxInt64)),
		Damaged: in.uvarint(math.MaxUint64),
	}
	if n := in.count(1); n > 0 {
		h.Operations = make([]string, n)
	}
	for i := range h.Operations {
		h.Operations[i] = string(in.take(in.count(1)))
	}
	if err := in.done(); err != nil {
		return h, err
	}
	return h, h.check()
}

const shapeMin = 4 // bytes of the shortest shape

func decodeShapes(b []byte, h Header) ([]shape, error) {
	in := input{b: b}
	shapes := make([]shape, in.count(shapeMin))
	for i := range shapes {
		s := &shapes[i]
		s.Operation = uint16(in.uvarint(maxOperation))
		kinds := in.take(2)
		s.Kind, s.Observed = account.Kind(kinds[0]), kinds[1] == 1
		s.Ref = uint32(in.uvarint(math.MaxUint32))
		switch {
		case in.err != nil:
			return nil, in.err
		case s.Operation != 0 && int(s.Operation) >= len(h.Operations):
			return nil, fmt.Errorf("operation %d has no name", s.Operation)
		case s.Kind == 0 || kinds[1] > 1:
			return nil, fmt.Errorf("shape %d has no valid kind", i)
		case i > 0 && shapes[i-1].Compare(*s) >= 0:
			return nil, fmt.Errorf("shape %d is out of order", i)
		}
	}
	return shapes, in.done()
}

// entry is a block in the index.
type entry struct {
	number uint32
	lines  int
	bytes  []byte
}

const entryMin = 7 // bytes of the shortest entry of the index

// decodeIndex cuts data into the blocks.
func decodeIndex(b, data []byte) ([]entry, error) {
	in := input{b: b}
	index := make([]entry, in.count(entryMin))
	next := uint64(0)
	for i := range index {
		number := next + in.uvarint(lastBlock)
		lines, length := in.uvarint(uint64(len(data))), in.uvarint(uint64(len(data)))
		crc := binary.LittleEndian.Uint32(in.take(4))
		if in.err != nil {
			return nil, in.err
		}
		e := entry{number: uint32(number), lines: int(lines), bytes: data[:length]}
		data = data[length:]
		switch {
		case number > lastBlock:
			return nil, fmt.Errorf("block %d does not exist", number)
		case lines == 0:
			return nil, fmt.Errorf("block %d has no lines", number)
		case crc32.Checksum(e.bytes, castagnoli) != crc:
			return nil, fmt.Errorf("block %d: checksum", number)
		}
		index[i], next = e, number+1
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("%d bytes belong to no block", len(data))
	}
	return index, in.done()
}

const lineMin = 3 // bytes of the shortest line

// appendLines decodes a block, and checks order and bounds.
func (e entry) appendLines(counts []account.Count, shapes []shape) ([]account.Count, error) {
	counts = slices.Grow(counts, min(e.lines, len(e.bytes)/lineMin))
	in := input{b: e.bytes}
	base := e.number * BlockAccounts
	within, before := uint64(0), uint64(0)
	for i := range e.lines {
		delta := in.uvarint(BlockAccounts - 1 - within)
		n := in.uvarint(math.MaxUint64)
		calls := in.uvarint(math.MaxUint64)
		switch {
		case in.err != nil:
			return nil, in.err
		case n >= uint64(len(shapes)):
			return nil, fmt.Errorf("line %d has shape %d of %d", i, n, len(shapes))
		case i > 0 && delta == 0 && n <= before:
			return nil, fmt.Errorf("line %d is out of order", i)
		case calls == 0:
			return nil, fmt.Errorf("line %d counts nothing", i)
		}
		within, before = within+delta, n
		counts = append(counts, account.Count{})
		c := &counts[len(counts)-1] // made in place: a copy of it waits until it is made
		c.Line, c.Calls = shapes[n], calls
		c.Account = base + uint32(within)
	}
	return counts, in.done()
}
