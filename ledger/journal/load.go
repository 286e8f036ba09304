package journal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tallygate/tallygate/ledger"
)

// load reads the segments and opens the last one for writing, with everything
// in it durable. Records up to floor must be there; the anchor's must be the
// one it names.
func (j *Journal) load(floor uint64, anchored Head) (Report, error) {
	report := Report{Anchor: anchored}
	list, err := listSegments(j.cfg.Dir)
	if err != nil {
		return report, err
	}
	if len(list) == 0 {
		if err := missing(Head{}, floor, anchored, j.cfg); err != nil {
			return report, err
		}
		if list, err = j.createFirst(); err != nil {
			return report, err
		}
	}
	if err := checkAnchor(list, anchored, j.cfg.Anchor); err != nil {
		return report, err
	}
	last := list[len(list)-1]
	t, err := readTail(last, floor, anchored, j.cfg, &report)
	if err != nil {
		return report, err
	}
	if err := missing(t.head, floor, anchored, j.cfg); err != nil {
		return report, err
	}
	if err := j.openLast(last, t); err != nil {
		return report, err
	}
	report.Head, report.Segments = t.head, len(list)
	j.segments, j.end = list, int64(t.offset)
	j.next, j.durable = t.head, t.head
	j.tail = tail{first: last.first, offset: int64(t.offset), size: last.size}
	return report, nil
}

func (j *Journal) createFirst() ([]segment, error) {
	s := segment{path: filepath.Join(j.cfg.Dir, segmentName(1)), size: j.cfg.SegmentSize, first: 1}
	blank, err := j.disk.blank(filepath.Join(j.cfg.Dir, spareName), s.size)
	if err != nil {
		return nil, err
	}
	f, err := s.create(j.disk, blank)
	if err != nil {
		return nil, err
	}
	return []segment{s}, f.Close()
}

// missing reports that a whole journal ends too early.
func missing(head Head, floor uint64, anchored Head, cfg Config) error {
	if head.Seq < floor {
		return fmt.Errorf("%w: %s ends at record %d, but record %d was durable: restore the newest segments; or %s",
			ErrDamaged, cfg.Dir, head.Seq, floor, ledger.WayOut)
	}
	if head.Seq < anchored.Seq {
		return behind(cfg.Anchor, "%s ends at record %d, but record %d was durable: this is an older copy, or its end was removed",
			cfg.Dir, head.Seq, anchored.Seq)
	}
	return nil
}

func behind(anchor, format string, args ...any) error {
	return fmt.Errorf("%w: %w: restore the newest journal, or take what is missing from backups (tallygate repair --from); or, to accept this one and lose what came after, remove the anchor %s",
		ErrBehindAnchor, fmt.Errorf(format, args...), anchor)
}

// checkAnchor compares the anchor with the record it names, and checks all
// from its segment on to the last one, which is readTail's.
func checkAnchor(list []segment, anchored Head, path string) error {
	if anchored.Seq == 0 {
		return nil
	}
	last := list[len(list)-1]
	for r, err := range read(list, anchored.Seq, last.prev.Seq, last.size) {
		if err != nil {
			return err
		}
		if r.Seq == anchored.Seq && r.Hash != anchored.Hash {
			return otherHistory(path, r.Seq)
		}
	}
	return nil
}

func otherHistory(anchor string, seq uint64) error {
	return behind(anchor, "record %d is not the one that the anchor names: this is another history", seq)
}

// readTail walks the last segment to its end. What is no record and not zero
// is a torn write, unless it stands where a record was durable: up to the
// floor or the anchor, or before a later group.
func readTail(s segment, floor uint64, anchored Head, cfg Config, report *Report) (*cursor, error) {
	c, err := openCursor(s, s.size)
	if err != nil {
		return nil, err
	}
	for err == nil {
		_, err = c.next()
		if c.head.Seq == anchored.Seq && c.head != anchored {
			return nil, otherHistory(cfg.Anchor, anchored.Seq)
		}
	}
	rest := c.buf[c.offset:]
	dirty := len(bytes.TrimRight(rest, "\x00"))
	if dirty == 0 {
		return c, nil
	}
	bad := c.head.Seq + 1
	if bad <= max(floor, anchored.Seq) {
		return nil, s.damaged(int64(c.offset), "record %d, which was durable: %w", bad, err)
	}
	if later := latestGroup(rest, bad); later > bad {
		return nil, s.damaged(int64(c.offset), "record %d, which was durable before record %d was written: %w", bad, later, err)
	}
	report.Cut, report.CutSegment, report.CutOffset = int64(dirty), s.name(), int64(c.offset)
	clear(rest)
	c.dirty = c.offset + dirty
	return c, nil
}

// latestGroup looks for whole records after a bad one and returns the latest
// first sequence of their groups.
func latestGroup(b []byte, bad uint64) uint64 {
	most := bad + uint64(len(b)/recordFixed)
	var latest uint64
	for at := 0; at+recordFixed <= len(b); at += recordAlign {
		if f, err := parseFrame(b[at:]); err == nil && f.seq > bad && f.seq <= most {
			latest = max(latest, f.group)
		}
	}
	return latest
}

// openLast opens the last segment and makes it durable as it was read. A
// group that was read may be in the page cache only, and after a failed sync
// the kernel takes such pages for clean: so it is written once more.
func (j *Journal) openLast(s segment, c *cursor) error {
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if b := c.buf[c.groupAt:max(c.offset, c.dirty)]; len(b) > 0 {
		err = j.disk.write(f, b, int64(c.groupAt))
	}
	if err == nil {
		err = j.disk.sync(f)
	}
	if err == nil {
		err = j.disk.syncDir(j.cfg.Dir)
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("journal: make %s durable: %w", s.name(), err)
	}
	if j.file != nil {
		j.file.Close() // after a failure, for which it has been told already
	}
	j.file = f
	return nil
}
