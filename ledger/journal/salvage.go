package journal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Inspect checks a folder as Open and VerifyAll would, and changes nothing: a torn
// write is reported, not cut. The caller holds the folder's Lock.
func Inspect(cfg Config) (Report, error) {
	if err := cfg.check(); err != nil {
		return Report{}, err
	}
	anchored, err := readAnchor(cfg.Anchor)
	if err != nil {
		return Report{}, err
	}
	report := Report{Anchor: anchored}
	list, err := listSegments(cfg.Dir)
	if err != nil || len(list) == 0 {
		if err == nil {
			err = missing(Head{}, cfg.Floor, anchored, cfg)
		}
		return report, err
	}
	if err := checkAnchor(list, anchored, cfg.Anchor); err != nil {
		return report, err
	}
	last := len(list) - 1
	t, err := readTail(list[last], cfg.Floor, anchored, cfg, &report)
	if err != nil {
		return report, err
	}
	report.Head, report.Segments = t.head, len(list)
	for i := range last {
		if err := inspectFull(list, i); err != nil {
			return report, err
		}
	}
	return report, missing(t.head, cfg.Floor, anchored, cfg)
}

// inspectFull checks a segment that has another behind it.
func inspectFull(list []segment, i int) error {
	var failed error
	c, ok := readSegment(list, i, 0, 0, func(_ Record, err error) bool {
		failed = err
		return err == nil
	})
	if !ok {
		return failed
	}
	if len(bytes.Trim(c.buf[c.offset:], "\x00")) > 0 {
		return list[i].damaged(int64(c.offset), "the rest of the segment is not zero")
	}
	return nil
}

// Salvaged is how far a salvage came.
type Salvaged struct {
	Head Head // the last record that was found to follow
	// Beyond counts whole records that do not follow, since something between is
	// gone; BeyondAt is the event time of the first of them, Unix nanoseconds.
	Beyond   uint64
	BeyondAt int64
}

// Salvage yields the records after a head that follow one another, from whatever
// is left in a folder's segments: a record that is still whole is found behind any
// damage. It changes nothing, and ends with the error of yield.
func Salvage(dir string, from Head, yield func(Record) error) (Salvaged, error) {
	found := Salvaged{Head: from}
	paths, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		return found, fmt.Errorf("journal: %w", err)
	}
	slices.Sort(paths) // by sequence
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return found, fmt.Errorf("journal: %w", err)
		}
		if err := found.segment(b, yield); err != nil {
			return found, err
		}
	}
	return found, nil
}

// segment takes the records of one segment. They stand at multiples of their
// alignment, and so does the end of the header.
func (s *Salvaged) segment(b []byte, yield func(Record) error) error {
	for at := 0; at+recordFixed <= len(b); {
		f, err := parseFrame(b[at:])
		if err != nil {
			at += recordAlign
			continue
		}
		at += len(f.bytes)
		if f.seq <= s.Head.Seq {
			continue
		}
		r := f.record()
		if !r.Follows(s.Head) {
			if s.Beyond++; s.Beyond == 1 {
				s.BeyondAt = r.At
			}
			continue
		}
		if err := yield(r); err != nil {
			return err
		}
		s.Head = r.Head()
	}
	return nil
}
