package tally

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// found is what reading a half found.
type found struct {
	header  header
	present bool  // the header is readable
	bad     error // the header, the file or a batch is damaged

	full    bool   // the full copy is whole
	closed  bool   // the last batch was written by Close, and nothing before it is damaged
	sync    uint64 // the last sync seen
	skipped uint32 // damaged batches that were acknowledged once
}

// settled says that the half became the active one: its full copy was synced.
func (f found) settled() bool {
	return f.present && (f.full || f.sync > f.header.firstSync)
}

// ruined says that the half had something, and nobody knows what.
func (f found) ruined() bool { return f.bad != nil && !f.present }

// readSideHeader reads a half's header. A half that was only preallocated, or
// is empty, is neither present nor bad.
func readSideHeader(f *os.File) (fd found) {
	b := make([]byte, sideHeaderBytes)
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		fd.bad = err
		return fd
	}
	if len(bytes.Trim(b, "\x00")) == 0 {
		return fd
	}
	h, err := decodeHeader(b, sideMagic)
	if err != nil {
		fd.bad = fmt.Errorf("%s: %w", f.Name(), err)
		h, err = decodeHeader(b[sideHeaderCopy:], sideMagic)
	}
	fd.header, fd.present = h, err == nil
	return fd
}

// readBatches passes the records of every whole batch to apply and fills in fd.
// What follows the last whole batch is a torn write. A gap before it is one as
// well if the same sync wrote on behind it, for then that sync was never
// acknowledged; otherwise it is damage.
func (fd *found) readBatches(f *os.File, apply func(n uint32, im image) error) error {
	w := &window{file: f}
	seed := batchSeed(fd.header)
	expected := fd.header.firstSync // sync of the next batch
	var gaps []uint64
	for off := int64(sideHeaderBytes); ; {
		b, ok := w.find(off, seed)
		if !ok {
			break
		}
		if b.off != off {
			gaps = append(gaps, expected)
		}
		if b.flags&flagFullCopy != 0 {
			fd.full = len(gaps) == 0
		}
		fd.closed = b.flags&flagClosed != 0 && len(gaps) == 0
		fd.sync, expected = b.sync, b.sync
		if b.flags&flagLast != 0 {
			expected++
		}
		if err := b.each(apply); err != nil {
			return err
		}
		off = b.off + int64(batchHeaderBytes+len(b.records))
	}
	for _, sync := range gaps {
		if sync < fd.sync {
			fd.skipped++
		}
	}
	if w.err != nil {
		fd.skipped++
	}
	if fd.skipped > 0 {
		fd.bad = errors.Join(fd.bad, w.err, fmt.Errorf("%s: %d damaged batches", f.Name(), fd.skipped))
	}
	return nil
}

type batch struct {
	off     int64
	flags   uint32
	sync    uint64
	records []byte // valid until the next find
}

func (b batch) each(apply func(n uint32, im image) error) error {
	le := binary.LittleEndian
	for r := b.records; len(r) > 0; r = r[recordBytes:] {
		im := image{le.Uint64(r[4:]), le.Uint64(r[12:]), le.Uint64(r[20:]), le.Uint64(r[28:])}
		if err := apply(le.Uint32(r), im); err != nil {
			return err
		}
	}
	return nil
}

// window reads a file forwards in large pieces.
type window struct {
	file *os.File
	buf  []byte
	off  int64
	err  error // what cut the file short, other than its end
}

// at returns the bytes at off: at least n of them, unless the file ends before.
func (w *window) at(off int64, n int) []byte {
	if off < w.off || off+int64(n) > w.off+int64(len(w.buf)) {
		if w.buf == nil {
			w.buf = make([]byte, 1<<20)
		}
		w.buf = w.buf[:cap(w.buf)]
		got, err := w.file.ReadAt(w.buf, off)
		if err != nil && err != io.EOF {
			w.err = err
		}
		w.buf, w.off = w.buf[:got], off
	}
	return w.buf[off-w.off:]
}

var batchMagicBytes = binary.LittleEndian.AppendUint32(nil, batchMagic)

// find returns the first whole batch at or behind off.
func (w *window) find(off int64, seed uint32) (batch, bool) {
	for {
		b := w.at(off, batchHeaderBytes)
		if len(b) < batchHeaderBytes {
			return batch{}, false
		}
		i := bytes.Index(b, batchMagicBytes)
		if i < 0 {
			off += int64(len(b) - len(batchMagicBytes) + 1)
			continue
		}
		off += int64(i)
		if b, ok := w.parse(off, seed); ok {
			return b, true
		}
		off++
	}
}

func (w *window) parse(off int64, seed uint32) (batch, bool) {
	b, le := w.at(off, batchHeaderBytes), binary.LittleEndian
	if len(b) < batchHeaderBytes || le.Uint32(b[28:]) != crc32.Update(seed, castagnoli, b[:28]) {
		return batch{}, false
	}
	n := int(le.Uint32(b[4:])) * recordBytes
	b = w.at(off, batchHeaderBytes+n)
	if len(b) < batchHeaderBytes+n {
		return batch{}, false
	}
	records := b[batchHeaderBytes:][:n]
	if le.Uint32(b[24:]) != crc32.Update(seed, castagnoli, records) {
		return batch{}, false
	}
	return batch{off: off, flags: le.Uint32(b[8:]), sync: le.Uint64(b[16:]), records: records}, true
}
