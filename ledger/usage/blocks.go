package usage

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/tallygate/tallygate/account"
)

// usualLine is about what a line takes, in bytes.
const usualLine = 4

// blockWriter encodes lines in order.
type blockWriter struct {
	shapes *numbering
	data   []byte
	index  []byte // of the finished blocks
	blocks int    // that are finished
	next   uint32 // number behind that of the last of them

	last  uint32 // account of the open block
	start int    // of the open block in data
	lines int    // of the open block
	sum   Sum
}

func (w *blockWriter) add(c account.Count) error {
	if number := c.Account / BlockAccounts; w.lines == 0 || number != w.last/BlockAccounts {
		w.endBlock()
		w.last = number * BlockAccounts
	}
	b := binary.AppendUvarint(w.data, uint64(c.Account-w.last))
	b = binary.AppendUvarint(b, w.shapes.number(shapeOf(c.Line)))
	w.data = binary.AppendUvarint(b, c.Calls)
	w.last = c.Account
	w.lines++
	return w.sum.add(c)
}

func (w *blockWriter) endBlock() {
	if w.lines == 0 {
		return
	}
	number, block := w.last/BlockAccounts, w.data[w.start:]
	w.index = binary.AppendUvarint(w.index, uint64(number-w.next))
	w.index = binary.AppendUvarint(w.index, uint64(w.lines))
	w.index = binary.AppendUvarint(w.index, uint64(len(block)))
	w.index = binary.LittleEndian.AppendUint32(w.index, crc32.Checksum(block, castagnoli))
	w.blocks++
	w.next, w.start, w.lines = number+1, len(w.data), 0
}

func (w *blockWriter) indexBytes() []byte {
	return append(binary.AppendUvarint(nil, uint64(w.blocks)), w.index...)
}
