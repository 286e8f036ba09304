package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/tallygate/tallygate/ledger/journal"
)

// Writer writes one backup. After an error it is of no use any more.
type Writer struct {
	out     io.Writer
	digest  hash.Hash
	summary Summary
}

// NewWriter begins a backup.
func NewWriter(out io.Writer, h Header) (*Writer, error) {
	w := &Writer{out: out, digest: sha256.New(), summary: Summary{Head: h.From}}
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if err := w.write([]byte(magic)); err != nil {
		return nil, err
	}
	return w, w.entry(kindHeader, text)
}

// File adds a sealed usage file, before the record that names it.
func (w *Writer) File(name string, content []byte) error {
	if len(name) < 1 || len(name) > 255 {
		return fmt.Errorf("backup: a file name has %d bytes, want 1 to 255", len(name))
	}
	w.summary.Files++
	return w.entry(kindFile, append(append([]byte{byte(len(name))}, name...), content...))
}

// Record adds the next record.
func (w *Writer) Record(r journal.Record) error {
	if !r.Follows(w.summary.Head.Journal()) {
		return fmt.Errorf("backup: record %d does not follow record %d", r.Seq, w.summary.Head.Seq)
	}
	w.summary.Records++
	w.summary.Head = Of(r.Head())
	return w.entry(kindRecord, r.Encoded())
}

// Fail says in the file why there will be no more of it.
func (w *Writer) Fail(why error) error { return w.entry(kindFailure, []byte(why.Error())) }

// Close writes the trailer, without which nobody takes the file for a backup.
func (w *Writer) Close() (Summary, error) {
	b := binary.LittleEndian.AppendUint64(nil, w.summary.Head.Seq)
	b = append(b, w.summary.Head.Hash[:]...)
	b = binary.LittleEndian.AppendUint64(b, w.summary.Records)
	b = binary.LittleEndian.AppendUint64(b, w.summary.Files)
	if err := w.entry(kindTrailer, b); err != nil {
		return w.summary, err
	}
	w.digest.Sum(w.summary.SHA256[:0])
	return w.summary, w.write(w.summary.SHA256[:])
}

func (w *Writer) entry(kind byte, content []byte) error {
	if len(content) > entryMax {
		return errors.New("backup: an entry is larger than 1 GiB")
	}
	b := make([]byte, 0, len(content)+9)
	b = binary.LittleEndian.AppendUint32(append(b, kind), uint32(len(content)))
	b = append(b, content...)
	return w.write(binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)))
}

func (w *Writer) write(b []byte) error {
	if _, err := w.out.Write(b); err != nil {
		return fmt.Errorf("backup: write: %w", err)
	}
	w.digest.Write(b)
	w.summary.Bytes += int64(len(b))
	return nil
}
