package usage

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
	"math/bits"
	"slices"

	"github.com/tallygate/tallygate/account"
)

// The file, integers little-endian, u = unsigned varint:
//
//	magic
//	section  header: u node length, node, u start, u length, u damaged,
//	         u operations, for each u length and name
//	section  shapes: u count, for each u operation, kind, observed, u ref
//	section  index: u count, for each block u number less that of the block
//	         before less 1, u lines, u bytes, 4 bytes CRC-32C
//	blocks   for each line u account less that of the line before (in the
//	         first one less the block's first account), u shape, u calls
//	footer   8 bytes lines, 8 billed, 8 not billed, 32 SHA-256 of all before
//
// A section is 4 bytes length, content, 4 bytes CRC-32C of both. A shape is a
// line without its account: an hour has few of them, so that a line takes
// three or four bytes.
const (
	magic      = "TGUSAGE\x01" // the last byte is the format's version
	footerSums = 24
	footerSize = footerSums + sha256.Size
	lastBlock  = (1<<32 - 1) / BlockAccounts
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode sorts rows and returns the file.
func encode(h Header, rows []account.Count) ([]byte, Info, error) {
	if err := h.check(); err != nil {
		return nil, Info{}, err
	}
	sortRows(rows)
	shapes, err := numberShapes(h, rows)
	if err != nil {
		return nil, Info{}, err
	}
	blocks := blockWriter{shapes: shapes, data: make([]byte, 0, usualLine*len(rows))}
	for c, err := range merged(rows) {
		if err == nil {
			err = blocks.add(c)
		}
		if err != nil {
			return nil, Info{}, err
		}
	}
	blocks.endBlock()

	file := appendSection([]byte(magic), headerBytes(h))
	file = appendSection(file, shapeBytes(shapes.sorted))
	file = appendSection(file, blocks.indexBytes())
	file = append(slices.Grow(file, len(blocks.data)+footerSize), blocks.data...)
	file = binary.LittleEndian.AppendUint64(file, uint64(blocks.sum.Lines))
	file = binary.LittleEndian.AppendUint64(file, blocks.sum.Billed)
	file = binary.LittleEndian.AppendUint64(file, blocks.sum.NotBilled)
	digest := sha256.New()
	digest.Write(file)
	file = digest.Sum(file)
	digest.Write(file[len(file)-sha256.Size:])
	return file, Info{Name: h.Name(), Hash: [32]byte(digest.Sum(nil)), Size: int64(len(file)), Header: h, Sum: blocks.sum}, nil
}

// merged adds up equal lines of sorted rows and leaves out those without calls.
func merged(rows []account.Count) iter.Seq2[account.Count, error] {
	return func(yield func(account.Count, error) bool) {
		for len(rows) > 0 {
			c, n := rows[0], 1
			for ; n < len(rows) && rows[n].Line == c.Line; n++ {
				var carry uint64
				if c.Calls, carry = bits.Add64(c.Calls, rows[n].Calls, 0); carry != 0 {
					yield(c, fmt.Errorf("the calls of account %d, %s overflow", c.Account, c.Funding()))
					return
				}
			}
			if rows = rows[n:]; c.Calls > 0 && !yield(c, nil) {
				return
			}
		}
	}
}

func headerBytes(h Header) []byte {
	b := appendString(nil, h.Node)
	b = binary.AppendUvarint(b, uint64(h.Start))
	b = binary.AppendUvarint(b, uint64(h.Length))
	b = binary.AppendUvarint(b, h.Damaged)
	b = binary.AppendUvarint(b, uint64(len(h.Operations)))
	for _, name := range h.Operations {
		b = appendString(b, name)
	}
	return b
}

func shapeBytes(shapes []shape) []byte {
	b := binary.AppendUvarint(nil, uint64(len(shapes)))
	for _, s := range shapes {
		var observed byte
		if s.Observed {
			observed = 1
		}
		b = binary.AppendUvarint(b, uint64(s.Operation))
		b = append(b, byte(s.Kind), observed)
		b = binary.AppendUvarint(b, uint64(s.Ref))
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendSection(b, content []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(content)))
	b = append(b, content...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}
