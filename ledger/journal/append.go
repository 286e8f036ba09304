package journal

import (
	"fmt"
	"path/filepath"
	"runtime"
)

// group is the records that one sync makes durable.
type group struct {
	first uint64
	last  Head
	opens *segment // the group begins this segment; nil: it goes on in the last
	buf   []byte
	done  chan struct{} // closed when err is decided
	err   error
}

// keepBuffer bounds the buffer that is kept from one group to the next.
const keepBuffer = 1 << 20

// Pending is a record that has its place in the chain and is on its way to
// the disk.
type Pending struct {
	record Record
	group  *group
}

// Wait returns the record once it is durable. An error means that the journal
// has stopped and that nobody knows whether the record is there: see Reopen.
func (p Pending) Wait() (Record, error) {
	<-p.group.done
	return p.record, p.group.err
}

// Append gives a record the next place in the chain and returns at once.
// Callers who need an order hold their own lock while they call it. at is the
// event time in Unix nanoseconds, kind 1 to 255 bytes. payload is copied to
// the segment, and also returned by Wait: leave it unchanged.
func (j *Journal) Append(at int64, kind string, payload []byte) (Pending, error) {
	if len(kind) < 1 || len(kind) > 255 {
		return Pending{}, fmt.Errorf("journal: kind has %d bytes, want 1 to 255", len(kind))
	}
	if size, limit := recordSize(kind, payload), j.cfg.SegmentSize-segmentHeader; int64(size) > limit {
		return Pending{}, fmt.Errorf("journal: a %s record of %d bytes exceeds the %d of a segment: raise SegmentSize", kind, size, limit)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.place(Record{At: at, Kind: kind, Payload: payload})
}

// place encodes a record at the next place. The caller holds mu.
func (j *Journal) place(r Record) (Pending, error) {
	if j.closing {
		return Pending{}, ErrClosed
	}
	if j.stopped != nil {
		return Pending{}, j.stopped
	}
	size := int64(recordSize(r.Kind, r.Payload))
	g := j.groupFor(size)
	r.Seq, r.Prev = j.next.Seq+1, j.next.Hash
	g.buf = appendRecord(g.buf, &r, g.first)
	g.last = Head{r.Seq, r.Hash}
	j.next = g.last
	j.tail.offset += size
	j.wake.Signal()
	return Pending{r, g}, nil
}

// groupFor returns the group that takes a record of this size next: the one
// that waits, or a new one. A group never spans two segments.
func (j *Journal) groupFor(size int64) *group {
	fits := j.tail.offset+size <= j.tail.size
	if n := len(j.queue); n > 0 && fits {
		return j.queue[n-1]
	}
	g := &group{first: j.next.Seq + 1, buf: j.free[:0], done: make(chan struct{})}
	j.free = nil
	if !fits {
		s := segment{
			path:   filepath.Join(j.cfg.Dir, segmentName(g.first)),
			size:   j.cfg.SegmentSize,
			first:  g.first,
			before: j.tail.first,
			prev:   j.next,
		}
		g.opens = &s
		j.tail = tail{first: s.first, offset: segmentHeader, size: s.size}
	}
	j.queue = append(j.queue, g)
	return g
}

// write is the one goroutine that writes, until Close or a failure.
func (j *Journal) write() {
	for g := j.take(); g != nil; g = j.take() {
		err := j.commit(g)
		j.finish(g, err)
		if err != nil {
			return
		}
	}
}

// take waits for a group; nil when the journal closes and nothing is left. All who
// can go on do so first: those who were just told that their records are durable
// append more, and groups become few and large. Without that the first one to
// append wakes the writer, and the rest miss the group.
func (j *Journal) take() *group {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.queue) == 0 {
		if j.closing {
			return nil
		}
		j.wake.Wait()
	}
	j.mu.Unlock()
	runtime.Gosched()
	j.mu.Lock()
	g := j.queue[0]
	j.queue = j.queue[1:]
	return g
}

// commit makes a group durable.
func (j *Journal) commit(g *group) error {
	if g.opens != nil {
		if err := j.roll(*g.opens); err != nil {
			return err
		}
	}
	if err := j.disk.write(j.file, g.buf, j.end); err != nil {
		return fmt.Errorf("write records %d to %d: %w", g.first, g.last.Seq, err)
	}
	if err := j.disk.sync(j.file); err != nil {
		return fmt.Errorf("sync records %d to %d: %w", g.first, g.last.Seq, err)
	}
	if j.end > j.segments[len(j.segments)-1].size/2 {
		j.spare.prepare(j.disk, j.cfg.Dir, j.cfg.SegmentSize)
	}
	return nil
}

// roll goes on in a new segment.
func (j *Journal) roll(s segment) error {
	blank, err := j.spare.take(j.disk, j.cfg.Dir, s.size)
	if err != nil {
		return err
	}
	f, err := s.create(j.disk, blank)
	if err != nil {
		return err
	}
	if err := j.file.Close(); err != nil {
		return fmt.Errorf("close the segment before %s: %w", s.name(), err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.file = f
	j.segments = append(j.segments, s)
	j.end = segmentHeader
	return nil
}

// finish tells everyone who waits. After a failure nothing that is queued may
// be written either: it names a record that may not be there.
func (j *Journal) finish(g *group, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.stopped = fmt.Errorf("%w: %w", ErrStopped, err)
		for _, waiting := range append([]*group{g}, j.queue...) {
			waiting.err = j.stopped
			close(waiting.done)
		}
		j.queue = nil
		return
	}
	j.durable = g.last
	j.end += int64(len(g.buf))
	if cap(g.buf) <= keepBuffer {
		j.free = g.buf
	}
	g.buf = nil
	j.anchor.move(g.last)
	close(g.done)
}
