package backup

import (
	"bufio"
	"bytes"
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

// Entry is a sealed file, or, without a name, a record.
type Entry struct {
	Record  journal.Record
	File    string // its name
	Content []byte // of the file
}

// Reader reads one backup and checks it on the way: only after Next returned
// io.EOF is it known to be whole.
type Reader struct {
	in      *bufio.Reader
	digest  hash.Hash
	header  Header
	summary Summary
}

// NewReader reads as far as the header.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, 1<<20), digest: sha256.New()}
	first := make([]byte, len(magic))
	if err := r.read(first); err != nil {
		return nil, err
	}
	if version := len(magic) - 1; string(first[:version]) != magic[:version] {
		return nil, r.bad(errors.New("it does not begin as backups do"))
	} else if first[version] != magic[version] {
		return nil, fmt.Errorf("backup: format version %d, this release reads %d", first[version], magic[version])
	}
	kind, content, err := r.entry()
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&r.header); err != nil || kind != kindHeader {
		return nil, r.bad(errors.Join(errors.New("header"), err))
	}
	r.summary.Head = r.header.From
	return r, nil
}

// Header says what the backup is of.
func (r *Reader) Header() Header { return r.header }

// Summary is what was read so far; all of it after io.EOF.
func (r *Reader) Summary() Summary { return r.summary }

// Next returns the next entry, io.EOF at the end of a whole backup, or why it is
// none: ErrNotWhole with the place, or ErrBrokenOff.
func (r *Reader) Next() (Entry, error) {
	kind, content, err := r.entry()
	if err != nil {
		return Entry{}, err
	}
	switch kind {
	case kindFile:
		if len(content) < 1 || len(content) < 1+int(content[0]) || content[0] == 0 {
			return Entry{}, r.bad(errors.New("a file without a name"))
		}
		name := content[1 : 1+content[0]]
		r.summary.Files++
		return Entry{File: string(name), Content: content[1+len(name):]}, nil
	case kindRecord:
		record, err := journal.ParseRecord(content)
		if err != nil {
			return Entry{}, r.bad(err)
		}
		if before := r.summary.Head; !record.Follows(before.Journal()) {
			return Entry{}, r.bad(fmt.Errorf("record %d does not follow record %d", record.Seq, before.Seq))
		}
		r.summary.Head = Of(record.Head())
		r.summary.Records++
		return Entry{Record: record}, nil
	case kindTrailer:
		if err := r.end(content); err != nil {
			return Entry{}, err
		}
		return Entry{}, io.EOF
	case kindFailure:
		return Entry{}, fmt.Errorf("%w: %s", ErrBrokenOff, content)
	}
	return Entry{}, r.bad(fmt.Errorf("an entry of kind %q", kind))
}

// end checks the trailer and that nothing is behind it.
func (r *Reader) end(content []byte) error {
	if len(content) != trailerSize {
		return r.bad(errors.New("trailer"))
	}
	head := Head{Seq: binary.LittleEndian.Uint64(content), Hash: Hash(content[8:40])}
	records, files := binary.LittleEndian.Uint64(content[40:]), binary.LittleEndian.Uint64(content[48:])
	s := &r.summary
	if head != s.Head || records != s.Records || files != s.Files || head.Seq != r.header.Until {
		return r.bad(fmt.Errorf("the trailer counts %d records up to %d and %d files, there are %d up to %d and %d",
			records, head.Seq, files, s.Records, s.Head.Seq, s.Files))
	}
	r.digest.Sum(s.SHA256[:0])
	var want Hash
	if err := r.read(want[:]); err != nil {
		return err
	}
	if want != s.SHA256 {
		return r.bad(errors.New("SHA-256 of the content"))
	}
	if _, err := r.in.ReadByte(); err == nil {
		return r.bad(errors.New("something follows its end"))
	} else if err != io.EOF {
		return fmt.Errorf("backup: read: %w", err)
	}
	return nil
}

func (r *Reader) entry() (kind byte, content []byte, err error) {
	head := make([]byte, 5)
	if err := r.read(head); err != nil {
		return 0, nil, err
	}
	size := binary.LittleEndian.Uint32(head[1:])
	if size > entryMax {
		return 0, nil, r.bad(errors.New("an entry is longer than any can be"))
	}
	var all bytes.Buffer // grows with what is there, not with what a damaged length says
	all.Write(head)
	n, err := io.CopyN(&all, r.in, int64(size)+4)
	r.summary.Bytes += n
	if err != nil {
		return 0, nil, r.ended(err)
	}
	b := all.Bytes()
	r.digest.Write(b[len(head):])
	end := len(b) - 4
	if crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return 0, nil, r.bad(errors.New("checksum"))
	}
	return b[0], b[len(head):end], nil
}

func (r *Reader) read(b []byte) error {
	n, err := io.ReadFull(r.in, b)
	r.summary.Bytes += int64(n)
	if err != nil {
		return r.ended(err)
	}
	r.digest.Write(b)
	return nil
}

// ended tells a file that ends from one that cannot be read.
func (r *Reader) ended(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return r.bad(errors.New("it ends there"))
	}
	return fmt.Errorf("backup: read: %w", err)
}

func (r *Reader) bad(why error) error {
	return fmt.Errorf("%w: at byte %d: %w: use another copy of it, or make a new backup", ErrNotWhole, r.summary.Bytes, why)
}
