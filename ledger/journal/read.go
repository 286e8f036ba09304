package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// cursor walks the records of one segment, checking CRC and chain.
type cursor struct {
	segment segment
	buf     []byte // the file from its start
	offset  int
	head    Head // the record that ends at offset
	group   uint64
	groupAt int // offset of the first record of that record's group
	dirty   int // where the non-zero bytes that were cut ended
}

// openCursor reads the first size bytes of a segment.
func openCursor(s segment, size int64) (*cursor, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	buf := make([]byte, size)
	if n, err := f.ReadAt(buf, 0); errors.Is(err, io.EOF) {
		return nil, s.damaged(int64(n), "the file ends")
	} else if err != nil {
		return nil, fmt.Errorf("journal: read %s: %w", s.name(), err)
	}
	if !bytes.Equal(buf[:segmentHeader], s.header()) {
		return nil, s.damaged(0, "the header has changed")
	}
	return &cursor{segment: s, buf: buf, offset: segmentHeader, head: s.prev, groupAt: segmentHeader}, nil
}

// next returns the record at the offset and moves behind it.
func (c *cursor) next() (Record, error) {
	f, err := parseFrame(c.buf[c.offset:])
	if err != nil {
		return Record{}, err
	}
	r := f.record()
	if r.Seq != c.head.Seq+1 || r.Prev != c.head.Hash {
		return Record{}, fmt.Errorf("%w: record %d does not follow record %d", errBadRecord, r.Seq, c.head.Seq)
	}
	if f.group != c.group {
		c.group, c.groupAt = f.group, c.offset
	}
	c.offset += len(f.bytes)
	c.head = Head{r.Seq, r.Hash}
	return r, nil
}

// until yields the records up to a sequence. False: stopped or failed.
func (c *cursor) until(seq uint64, yield func(Record, error) bool) bool {
	for c.head.Seq < seq {
		r, err := c.next()
		if err != nil {
			yield(Record{}, c.segment.damaged(int64(c.offset), "record %d: %w", c.head.Seq+1, err))
			return false
		}
		if !yield(r, nil) {
			return false
		}
	}
	return true
}

// Read yields the durable records from a sequence on, in order, each checked
// against its CRC and the record before. It ends at what is the head when the
// walk begins. After an error it yields no more.
func (j *Journal) Read(from uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		list, head, end := j.snapshot()
		read(list, from, head.Seq, end)(yield)
	}
}

func (j *Journal) snapshot() (list []segment, head Head, end int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.segments, j.durable, j.end
}

// read walks the segments from one sequence to another. end is the size to
// read of the last segment; one that is not reached is not opened.
func read(list []segment, from, to uint64, end int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if from = max(from, 1); from > to {
			return
		}
		wanted := func(r Record, err error) bool { return err == nil && r.Seq < from || yield(r, err) }
		for i := find(list, from); i < len(list) && list[i].prev.Seq < to; i++ {
			if _, ok := readSegment(list, i, to, end, wanted); !ok {
				return
			}
		}
	}
}

// readSegment walks segment i, up to a sequence if it is the last. A segment
// with another behind it must end where that one begins.
func readSegment(list []segment, i int, to uint64, end int64, yield func(Record, error) bool) (*cursor, bool) {
	s, last := list[i], i == len(list)-1
	size := s.size
	if last {
		size = end
	} else {
		to = list[i+1].prev.Seq
	}
	c, err := openCursor(s, size)
	if err != nil {
		yield(Record{}, err)
		return nil, false
	}
	if !c.until(to, yield) {
		return nil, false
	}
	if !last && c.head != list[i+1].prev {
		yield(Record{}, s.damaged(int64(c.offset), "record %d is not the one that %s follows", c.head.Seq, list[i+1].name()))
		return nil, false
	}
	return c, true
}

// VerifyAll checks everything up to the head: each header, record, link, and
// the zeros behind the last record of each full segment. progress, unless
// nil, is told bytes done and in all after every segment.
func (j *Journal) VerifyAll(progress func(done, total int64)) error {
	list, head, end := j.snapshot()
	total := end
	for _, s := range list[:len(list)-1] {
		total += s.size
	}
	var done int64
	for i, s := range list {
		var failed error
		c, ok := readSegment(list, i, head.Seq, end, func(_ Record, err error) bool {
			failed = err
			return err == nil
		})
		if !ok {
			return failed
		}
		if rest := c.buf[c.offset:]; len(bytes.Trim(rest, "\x00")) > 0 {
			return s.damaged(int64(c.offset), "the rest of the segment is not zero")
		}
		done += int64(len(c.buf))
		if progress != nil {
			progress(done, total)
		}
	}
	return nil
}
