package tally

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"sync/atomic"

	"github.com/tallygate/tallygate/failpoint"
)

// A half of the side file is a header (twice, the second copy in another
// sector), then batches without gaps. A batch is 32 bytes of header and records
// of a slot's number and image. One sync writes one or more batches and marks
// the last; the first sync of a half writes all slots.
const (
	sideHeaderBytes  = 4096
	sideHeaderCopy   = 2048
	batchHeaderBytes = 32
	recordBytes      = 4 + slotBytes
	batchRecords     = 4096
	batchMax         = batchHeaderBytes + batchRecords*recordBytes
	batchMagic       = 0x68637462 // "btch"
)

// Flags of a batch.
const (
	flagLast     = 1 << iota // of its sync
	flagFullCopy             // the sync wrote every slot
	flagClosed               // written by Close: the mapped file holds nothing more
)

var errHalfFull = errors.New("side file is full")

// half is one of the two side files.
type half struct {
	file *os.File
	size atomic.Int64 // preallocated
}

// side writes the side file. All but reserve is called by one goroutine at a time.
type side struct {
	halves   [2]half
	datasync func(*os.File) error

	header header // of the active half
	active int
	seed   uint32 // of the CRCs in the active half
	end    int64  // of the batches in the active half
	sync   uint64 // number of the running or latest sync since the tally was opened
	stale  bool   // the active half cannot be appended to: a sync failed
	buf    []byte // the batch being filled
}

// emit passes on one slot to be written.
type emit func(n uint32, im image) error

// halfBytes leaves room for a full copy and as much again for changes.
func halfBytes(slots uint32) int64 {
	full := int64(slots) * recordBytes
	full += (full/batchMax + 1) * batchHeaderBytes
	return sideHeaderBytes + 2*full + 1<<20
}

// reserve preallocates both halves for so many slots.
func (s *side) reserve(slots uint32) error {
	size := halfBytes(slots)
	for i := range s.halves {
		h := &s.halves[i]
		if old := h.size.Load(); old < size {
			if _, err := reserve(h.file, old, size-old); err != nil {
				return err
			}
			h.size.Store(size)
		}
	}
	return nil
}

// append writes the changed slots behind the active half's batches and syncs
// it. Without changes it writes nothing. After errHalfFull or any other error
// the half must not be appended to again.
func (s *side) append(changed func(emit) error, flags uint32) error {
	s.sync++
	return s.write(changed, flags)
}

// rewrite writes all slots to the inactive half under the next generation,
// syncs it, and makes it the active one. On an error the old half stays.
func (s *side) rewrite(all func(emit) error, flags uint32) error {
	old, oldEnd := s.active, s.end
	s.sync++
	s.header.generation++
	s.header.firstSync = s.sync
	s.active, s.end, s.seed = 1-old, sideHeaderBytes, batchSeed(s.header)
	err := s.writeHeader()
	if err == nil {
		err = s.write(all, flags|flagFullCopy)
	}
	if err != nil {
		s.active, s.end, s.stale = old, oldEnd, true
		return err
	}
	s.stale = false
	return nil
}

func (s *side) writeHeader() error {
	b := s.header.encode(sideMagic)
	for _, off := range []int64{0, sideHeaderCopy} {
		if _, err := s.halves[s.active].file.WriteAt(b, off); err != nil {
			return fmt.Errorf("side header: %w", err)
		}
		failpoint.Wrote(s.halves[s.active].file, off, int64(len(b)))
	}
	return nil
}

func (s *side) write(slots func(emit) error, flags uint32) error {
	start := s.end
	s.buf = append(s.buf[:0], make([]byte, batchHeaderBytes)...)
	if err := slots(s.record); err != nil {
		return err
	}
	if s.end == start && len(s.buf) == batchHeaderBytes && flags == 0 {
		return nil
	}
	if err := s.flush(flags | flagLast); err != nil {
		return err
	}
	if err := s.datasync(s.halves[s.active].file); err != nil {
		return fmt.Errorf("sync %s: %w", s.halves[s.active].file.Name(), err)
	}
	return nil
}

func (s *side) record(n uint32, im image) error {
	if len(s.buf)+recordBytes > batchMax {
		if err := s.flush(0); err != nil {
			return err
		}
	}
	s.buf = binary.LittleEndian.AppendUint32(s.buf, n)
	for _, w := range im {
		s.buf = binary.LittleEndian.AppendUint64(s.buf, w)
	}
	return nil
}

// flush writes the batch in buf.
func (s *side) flush(flags uint32) error {
	h := &s.halves[s.active]
	if s.end+int64(len(s.buf)) > h.size.Load() {
		return errHalfFull
	}
	b, le := s.buf, binary.LittleEndian
	le.PutUint32(b[0:], batchMagic)
	le.PutUint32(b[4:], uint32(len(b)-batchHeaderBytes)/recordBytes)
	le.PutUint32(b[8:], flags)
	le.PutUint32(b[12:], 0)
	le.PutUint64(b[16:], s.sync)
	le.PutUint32(b[24:], crc32.Update(s.seed, castagnoli, b[batchHeaderBytes:]))
	le.PutUint32(b[28:], crc32.Update(s.seed, castagnoli, b[:28]))
	if _, err := h.file.WriteAt(b, s.end); err != nil {
		return fmt.Errorf("side file: %w", err)
	}
	failpoint.Wrote(h.file, s.end, int64(len(b)))
	s.end += int64(len(b))
	s.buf = b[:batchHeaderBytes]
	return nil
}

// batchSeed makes batches of another tally or an older generation, whose
// remains lie behind the end of the newest, fail their CRC.
func batchSeed(h header) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[0:], h.id)
	binary.LittleEndian.PutUint64(b[8:], h.generation)
	return crc32.Checksum(b[:], castagnoli)
}
