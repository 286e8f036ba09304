package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
)

// A segment begins with a header, little-endian:
//
//	 0  8  magic
//	 8  8  size of the file in bytes
//	16  8  first sequence
//	24  8  first sequence of the segment before, 0 for the first
//	32 32  hash of the record before the first
//	64  4  CRC-32C of all before it, then 4 zeros
//
// It is durable before the file gets its name, so a bad one is damage.
const (
	segmentMagic  = "TGJRNL\x00\x01" // the last byte is the format's version
	segmentHeader = 72
	segmentSuffix = ".journal"
	spareName     = "next.tmp"
)

// segment is what is known of a segment without its records.
type segment struct {
	path   string
	size   int64
	first  uint64
	before uint64 // first sequence of the segment before
	prev   Head   // of the record before the first
}

func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, segmentSuffix) }

func (s segment) name() string { return filepath.Base(s.path) }

// damaged reports what is wrong at a byte offset of the segment.
func (s segment) damaged(offset int64, format string, args ...any) error {
	return fmt.Errorf("%w: segment %s, offset %d: %w: %s", ErrDamaged, s.name(), offset, fmt.Errorf(format, args...), ledger.WayOut)
}

func (s segment) header() []byte {
	b := make([]byte, segmentHeader)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint64(b[8:], uint64(s.size))
	binary.LittleEndian.PutUint64(b[16:], s.first)
	binary.LittleEndian.PutUint64(b[24:], s.before)
	copy(b[32:], s.prev.Hash[:])
	binary.LittleEndian.PutUint32(b[64:], crc32.Checksum(b[:64], castagnoli))
	return b
}

// listSegments reads every header and checks that each follows the one before.
func listSegments(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: list segments: %w", err)
	}
	var list []segment
	for _, e := range entries { // sorted by name, hence by sequence
		if !strings.HasSuffix(e.Name(), segmentSuffix) {
			continue
		}
		s, err := readHeader(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if err := s.follows(list); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func readHeader(path string) (segment, error) {
	s := segment{path: path}
	f, err := os.Open(path)
	if err != nil {
		return s, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return s, fmt.Errorf("journal: %w", err)
	}
	b := make([]byte, segmentHeader)
	if info.Size() < segmentHeader {
		return s, s.damaged(0, "%d bytes are no header", info.Size())
	}
	if _, err := f.ReadAt(b, 0); err != nil {
		return s, fmt.Errorf("journal: read header of %s: %w", s.name(), err)
	}
	return s, s.parse(b, info.Size())
}

func (s *segment) parse(b []byte, size int64) error {
	s.size = int64(binary.LittleEndian.Uint64(b[8:]))
	s.first = binary.LittleEndian.Uint64(b[16:])
	s.before = binary.LittleEndian.Uint64(b[24:])
	s.prev.Seq = s.first - 1
	copy(s.prev.Hash[:], b[32:64])
	switch {
	case string(b[:7]) != segmentMagic[:7]:
		return s.damaged(0, "no journal segment")
	case !bytes.Equal(b, s.header()):
		if b[7] != segmentMagic[7] && crc32.Checksum(b[:64], castagnoli) == binary.LittleEndian.Uint32(b[64:]) {
			return fmt.Errorf("journal: segment %s has format version %d, this release reads %d", s.name(), b[7], segmentMagic[7])
		}
		return s.damaged(0, "header checksum")
	case s.size != size:
		return s.damaged(size, "the file has %d bytes, its header says %d", size, s.size)
	case s.name() != segmentName(s.first):
		return s.damaged(0, "the header says that this is %s", segmentName(s.first))
	}
	return nil
}

// follows checks s against the segments before it.
func (s segment) follows(list []segment) error {
	if len(list) == 0 {
		if s.first != 1 || s.before != 0 || s.prev != (Head{}) {
			return s.damaged(0, "the first segment is missing")
		}
		return nil
	}
	if before := list[len(list)-1]; s.before != before.first {
		return s.damaged(0, "follows %s, which is missing", segmentName(s.before))
	}
	return nil
}

// find returns the index of the segment that holds a sequence.
func find(list []segment, seq uint64) int {
	i, exact := slices.BinarySearchFunc(list, seq, func(s segment, seq uint64) int {
		switch {
		case s.first < seq:
			return -1
		case s.first > seq:
			return 1
		}
		return 0
	})
	if exact || i == 0 {
		return i
	}
	return i - 1
}

// create turns a prewritten file into the segment s and opens it. The header
// is durable before the name, the name before the first record.
func (s segment) create(d disk, blank *os.File) (*os.File, error) {
	err := d.write(blank, s.header(), 0)
	if err == nil {
		err = d.sync(blank)
	}
	if err == nil {
		failpoint.Hit("journal/rolling")
		err = d.rename(blank.Name(), s.path)
	}
	if err == nil {
		err = d.syncDir(filepath.Dir(s.path))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create segment %s: %w", s.name(), err), blank.Close())
	}
	failpoint.Hit("journal/rolled")
	return blank, nil
}

// spare is the file of the next segment, written with zeros ahead of need.
type spare struct {
	result chan spareResult // nil: none on the way
}

type spareResult struct {
	file *os.File
	err  error
}

// prepare starts writing the file in the background.
func (p *spare) prepare(d disk, dir string, size int64) {
	if p.result != nil {
		return
	}
	result := make(chan spareResult, 1)
	p.result = result
	go func() {
		f, err := d.blank(filepath.Join(dir, spareName), size)
		result <- spareResult{f, err}
	}()
}

// take waits for the file. A failure some time ago, as on a full disk, is
// given one more try.
func (p *spare) take(d disk, dir string, size int64) (*os.File, error) {
	if p.result != nil {
		r := <-p.result
		p.result = nil
		if r.err == nil {
			return r.file, nil
		}
	}
	return d.blank(filepath.Join(dir, spareName), size)
}

// drop waits for the file and removes it.
func (p *spare) drop() {
	if p.result == nil {
		return
	}
	r := <-p.result
	p.result = nil
	if r.err == nil {
		r.file.Close()
		os.Remove(r.file.Name())
	}
}
