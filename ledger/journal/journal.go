// Package journal keeps the ordered record of everything that was put into a
// ledger: append-only segments of records, each naming the SHA-256 of the one
// before, so that nothing can be changed, removed or slipped in unseen. What
// the ledger answers is a deterministic fold of these records.
//
//	j, report, err := journal.Open(journal.Config{Dir: "data/journal", Anchor: "/var/backups/anchor.json"})
//	pending, err := j.Append(now.UnixNano(), "command", payload) // has its place in the order
//	record, err := pending.Wait()                                // is on disk
//
// Appends that arrive while a sync runs share the next one, so the cost of a
// durable record falls as the load grows. Segments are written with zeros
// before they are used: a sync then has no file metadata to wait for, and the
// first zero marks the end.
//
// A write or sync that fails leaves the outcome unknown. The journal then
// stops: nothing more is acknowledged until Reopen has read what is there.
//
// The chain alone cannot show that its newest part was taken away. For that
// the head is also written to an anchor outside the ledger's folder, and the
// caller names the floor that it has already folded.
package journal

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// Failures that callers tell apart.
var (
	// ErrDamaged: what was once durable is missing or changed. The message
	// names the segment and the byte offset.
	ErrDamaged = errors.New("journal damaged")
	// ErrBehindAnchor: the journal is whole, but does not hold the record
	// that the anchor names, as an older copy of the folder would not.
	ErrBehindAnchor = errors.New("journal behind its anchor")
	// ErrLocked: another process has the folder open; the message has its pid.
	ErrLocked = errors.New("journal in use")
	// ErrStopped: a write or sync failed, which is wrapped too. Whether the
	// records in question are there is unknown until Reopen.
	ErrStopped = errors.New("journal stopped")
	// ErrClosed: used after Close.
	ErrClosed = errors.New("journal closed")
)

// Head is the place of a record in the chain. The zero Head stands before the
// first record.
type Head struct {
	Seq  uint64
	Hash [32]byte
}

// Config says where a journal is kept.
type Config struct {
	// Dir is the folder of the segments. It is created where missing.
	Dir string
	// Anchor is a file outside the ledger's folder to which the head is
	// written within a second of moving. Empty: none.
	Anchor string
	// SegmentSize in bytes of segments to come, a multiple of 4096. It also
	// bounds a record. Default 8 MiB.
	SegmentSize int64
	// Floor is the last sequence that was folded elsewhere: a journal that
	// cannot show all up to it is damaged, whatever the anchor says.
	Floor uint64
	// Lock is the folder's, where the caller has taken it. It stays the
	// caller's. Nil: Open takes it and Close gives it back.
	Lock *Lock
	// Fault lets tests fail the disk: it is asked before and after each write and
	// each sync ("write", "written", "sync", "synced"). Nil: nothing fails.
	Fault func(place string) error
}

const (
	defaultSegmentSize = 8 << 20
	minSegmentSize     = 4 << 10
	maxSegmentSize     = 1 << 30
)

func (c *Config) check() error {
	if c.SegmentSize == 0 {
		c.SegmentSize = defaultSegmentSize
	}
	if c.Dir == "" {
		return errors.New("journal: no folder: set Dir")
	}
	if c.SegmentSize < minSegmentSize || c.SegmentSize > maxSegmentSize || c.SegmentSize%minSegmentSize != 0 {
		return fmt.Errorf("journal: SegmentSize %d: use a multiple of %d up to %d", c.SegmentSize, minSegmentSize, maxSegmentSize)
	}
	return nil
}

// Report says what Open found.
type Report struct {
	Head     Head
	Segments int
	Anchor   Head // zero where there is none
	// Cut counts the bytes of a torn write that were dropped from the end of
	// segment CutSegment at CutOffset. They were never acknowledged, as far as
	// anchor, floor and the groups of later records can tell.
	Cut        int64
	CutSegment string
	CutOffset  int64
}

// Journal is open for appending by one process. Its methods may be called
// from any number of goroutines.
type Journal struct {
	cfg    Config
	disk   disk
	lock   *Lock // nil where it is the caller's
	anchor *anchor

	mu      sync.Mutex
	wake    sync.Cond // the queue grew, or closing
	closing bool
	closed  bool
	stopped error // why nothing is accepted
	next    Head  // last record given a place
	queue   []*group
	free    []byte // a written group's buffer, to use again
	durable Head
	tail    tail // as Append sees it, ahead of the writer

	// What the writer changes, under mu too.
	segments []segment // the last one is being written
	end      int64     // of the durable records in it
	file     *os.File  // the last segment
	spare    spare     // the writer's own while it runs
	writer   sync.WaitGroup
}

// tail is where the next record goes: a segment's first sequence, the offset
// in it, and its size.
type tail struct {
	first        uint64
	offset, size int64
}

// Open locks the folder, checks the chain as far as it can cheaply (every
// segment's header and link, every record from the anchor's segment or the
// last one on), drops a torn write, and makes durable what was read. See
// VerifyAll for the rest.
func Open(cfg Config) (*Journal, Report, error) { return open(cfg, realDisk.failing(cfg.Fault)) }

func open(cfg Config, d disk) (*Journal, Report, error) {
	if err := cfg.check(); err != nil {
		return nil, Report{}, err
	}
	j := &Journal{cfg: cfg, disk: d}
	j.wake.L = &j.mu
	if cfg.Lock == nil {
		var err error
		if j.lock, err = TakeLock(cfg.Dir); err != nil {
			return nil, Report{}, err
		}
	}
	report, err := j.start()
	if err != nil {
		return nil, report, errors.Join(err, j.unlock())
	}
	return j, report, nil
}

func (j *Journal) unlock() error {
	if j.lock == nil {
		return nil
	}
	return j.lock.Release()
}

func (j *Journal) start() (Report, error) {
	anchored, err := readAnchor(j.cfg.Anchor)
	if err != nil {
		return Report{}, err
	}
	report, err := j.load(j.cfg.Floor, anchored)
	if err != nil {
		return report, err
	}
	j.anchor = startAnchor(j.cfg.Anchor, anchored, j.durable)
	j.writer.Go(j.write)
	return report, nil
}

// Reopen reads the tail again after a failure and accepts records once more.
// Records whose Wait failed may turn out to be there: Read from the last one
// known. Without a failure it does nothing.
func (j *Journal) Reopen() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed || j.closing {
		return ErrClosed
	}
	if j.stopped == nil {
		return nil
	}
	j.writer.Wait() // it ended when it set stopped, or is about to
	floor := max(j.cfg.Floor, j.durable.Seq)
	if _, err := j.load(floor, Head{}); err != nil {
		return fmt.Errorf("reopen: %w", err)
	}
	j.stopped = nil
	j.anchor.move(j.durable)
	j.writer.Go(j.write)
	return nil
}

// Head is the last durable record.
func (j *Journal) Head() Head {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.durable
}

// Err is why no record is accepted, nil where they are.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stopped
}

// Anchored is the head that the anchor file holds, and why a later one could
// not be written, nil where nothing is wrong.
func (j *Journal) Anchored() (Head, error) { return j.anchor.state() }

// Close writes what is pending, then the anchor, and unlocks the folder.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closing {
		j.mu.Unlock()
		return ErrClosed
	}
	j.closing = true
	j.wake.Broadcast()
	j.mu.Unlock()
	j.writer.Wait()

	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	j.spare.drop()
	err := j.anchor.close()
	if j.file != nil {
		err = errors.Join(err, j.file.Close())
	}
	return errors.Join(err, j.unlock())
}
