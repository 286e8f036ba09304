package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// memoryDisk skips syncs, for tests of thousands of opens.
func memoryDisk() disk {
	d := realDisk
	d.sync = func(*os.File) error { return nil }
	d.syncDir = func(string) error { return nil }
	return d
}

// journalOf makes a closed journal of n records in groups of per, and returns
// its folder and records.
func journalOf(t testing.TB, n, per int) (string, []Record) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal")
	j, _ := mustOpen(t, Config{Dir: dir, SegmentSize: testSegment})
	var records []Record
	for len(records) < n {
		var pending []Pending
		j.mu.Lock() // keeps the writer from taking a part of the group
		for range min(per, n-len(records)) {
			pending = append(pending, j.appendLocked(t, len(records)+len(pending)))
		}
		j.mu.Unlock()
		for _, p := range pending {
			r, err := p.Wait()
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, r)
		}
	}
	mustClose(t, j)
	return dir, records
}

// appendLocked is Append for a caller who holds the journal's lock.
func (j *Journal) appendLocked(t testing.TB, i int) Pending {
	t.Helper()
	p, err := j.place(Record{At: int64(i), Kind: "command", Payload: small(i)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// reopenWith opens the folder after its last segment became b.
func reopenWith(t testing.TB, cfg Config, path string, b []byte) ([]Record, Report, error) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	j, report, err := open(cfg, memoryDisk())
	if err != nil {
		return nil, report, err
	}
	defer mustClose(t, j)
	if err := j.VerifyAll(nil); err != nil {
		return nil, report, err
	}
	records, err := readAll(j, 1)
	return records, report, err
}

func TestTornTail(t *testing.T) {
	t.Parallel()
	const n = 5
	dir, records := journalOf(t, n, 1)
	path := lastSegment(t, dir)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := openCursor(segmentAt(t, path), testSegment)
	if err != nil {
		t.Fatal(err)
	}
	if !c.until(n-1, func(Record, error) bool { return true }) {
		t.Fatal("no records")
	}
	start, length := c.offset, recordFixed+len("command")+len(records[n-1].Payload)
	for cut := start; cut < start+length; cut++ {
		torn := append([]byte{}, whole...)
		clear(torn[cut:])
		cfg := Config{Dir: dir, SegmentSize: testSegment}
		got, report, err := reopenWith(t, cfg, path, torn)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		sameRecords(t, got, records[:n-1])
		if (report.Cut > 0) != (cut > start) || report.Cut > 0 && report.CutOffset != int64(start) {
			t.Fatalf("cut at %d: report %+v", cut, report)
		}
		cfg.Floor = n - 1 // the record before is known, this one is not
		if _, _, err = reopenWith(t, cfg, path, torn); err != nil {
			t.Fatalf("cut at %d above the floor: %v", cut, err)
		}
		cfg.Floor = n
		_, _, err = reopenWith(t, cfg, path, torn)
		if where := fmt.Sprintf("offset %d", start); !errors.Is(err, ErrDamaged) || cut > start && !strings.Contains(err.Error(), where) {
			t.Fatalf("cut at %d below the floor: %v", cut, err)
		}
	}
}

func segmentAt(t testing.TB, path string) segment {
	t.Helper()
	s, err := readHeader(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFlips flips a bit of every byte of three segments. Up to the last group
// all damage is found without help; in it, it looks like a torn write, which
// the anchor denies.
func TestFlips(t *testing.T) {
	t.Parallel()
	dir, records := journalOf(t, 99, 3)
	anchorPath := filepath.Join(t.TempDir(), "anchor.json")
	head := Head{records[98].Seq, records[98].Hash}
	if err := writeAnchor(anchorPath, head); err != nil {
		t.Fatal(err)
	}
	list, err := listSegments(dir)
	if err != nil || len(list) < 3 {
		t.Fatalf("%d segments, %v", len(list), err)
	}
	for i, s := range list {
		whole, err := os.ReadFile(s.path)
		if err != nil {
			t.Fatal(err)
		}
		last, flipped := i == len(list)-1, append([]byte{}, whole...)
		for at := range whole {
			bit := byte(1) << (at % 8)
			flipped[at] ^= bit
			got, report, err := reopenWith(t, Config{Dir: dir, SegmentSize: testSegment}, s.path, flipped)
			switch {
			case err != nil && !errors.Is(err, ErrDamaged) && !strings.Contains(err.Error(), "format version"):
				t.Fatalf("segment %d byte %d: %v", i, at, err)
			case err == nil && !last:
				t.Fatalf("segment %d byte %d: unseen", i, at)
			case err == nil && (report.Cut == 0 || len(got) < 96):
				t.Fatalf("segment %d byte %d: unseen, %d records", i, at, len(got))
			case err == nil:
				sameRecords(t, got, records[:len(got)])
			}
			if last {
				got, _, err = reopenWith(t, Config{Dir: dir, SegmentSize: testSegment, Anchor: anchorPath}, s.path, flipped)
				if err == nil {
					sameRecords(t, got, records)
				}
			}
			flipped[at] ^= bit
		}
		if err := os.WriteFile(s.path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamageWhileOpen changes a segment under an open journal: readers see it.
func TestDamageWhileOpen(t *testing.T) {
	t.Parallel()
	j, _ := mustOpen(t, Config{Dir: t.TempDir(), SegmentSize: testSegment})
	mustAppend(t, j, 100, small)
	path := j.segments[1].path
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 20, segmentHeader + 3, segmentHeader + 300, len(whole) - 1} {
		flipped := append([]byte{}, whole...)
		flipped[at] ^= 4
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := j.VerifyAll(nil); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), filepath.Base(path)) {
			t.Errorf("VerifyAll, byte %d: %v", at, err)
		}
		got, err := readAll(j, 1)
		if at < len(whole)-1 && (!errors.Is(err, ErrDamaged) || uint64(len(got)) >= j.segments[2].prev.Seq) {
			t.Errorf("Read, byte %d: %d records, %v", at, len(got), err)
		}
	}
}

// TestFiles removes, truncates, swaps and empties segments.
func TestFiles(t *testing.T) {
	t.Parallel()
	whole, records := journalOf(t, 180, 1)
	list, err := listSegments(whole)
	if err != nil || len(list) < 4 {
		t.Fatalf("%d segments, %v", len(list), err)
	}
	name := func(dir string, i int) string { return filepath.Join(dir, list[i].name()) }
	final := len(list) - 1
	cases := map[string]func(dir string) error{
		"first gone":      func(dir string) error { return os.Remove(name(dir, 0)) },
		"middle gone":     func(dir string) error { return os.Remove(name(dir, 1)) },
		"last gone":       func(dir string) error { return os.Remove(name(dir, final)) },
		"first truncated": func(dir string) error { return os.Truncate(name(dir, 0), 1000) },
		"last truncated":  func(dir string) error { return os.Truncate(name(dir, final), 1000) },
		"last empty":      func(dir string) error { return os.Truncate(name(dir, final), 0) },
		"last grown":      func(dir string) error { return os.Truncate(name(dir, final), 10000) },
		"replaced":        func(dir string) error { return os.Rename(name(dir, 1), name(dir, 2)) },
		"last zeroed":     func(dir string) error { return os.WriteFile(name(dir, final), make([]byte, testSegment), 0o600) },
	}
	for what, change := range cases {
		dir := copyDir(t, whole)
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		_, _, err := Open(Config{Dir: dir, SegmentSize: testSegment, Floor: uint64(len(records))})
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, _, err = Open(Config{Dir: t.TempDir(), SegmentSize: testSegment, Floor: 1})
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("all gone: %v", err)
	}
}

// TestBrokenLink swaps a full segment for one of another journal with the
// same sequences: each is good by itself.
func TestBrokenLink(t *testing.T) {
	t.Parallel()
	dir, _ := journalOf(t, 120, 1)
	other := filepath.Join(t.TempDir(), "other")
	j, _ := mustOpen(t, Config{Dir: other, SegmentSize: testSegment})
	mustAppend(t, j, 120, func(i int) []byte { return append([]byte("P"), small(i)[1:]...) })
	mustClose(t, j)
	first := segmentName(1)
	b, err := os.ReadFile(filepath.Join(other, first))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, first), b, 0o600); err != nil {
		t.Fatal(err)
	}
	j, _ = mustOpen(t, Config{Dir: dir, SegmentSize: testSegment})
	if err := j.VerifyAll(nil); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), first) {
		t.Errorf("VerifyAll: %v", err)
	}
	if _, err := readAll(j, 1); !errors.Is(err, ErrDamaged) {
		t.Errorf("Read: %v", err)
	}
	if _, err := readAll(j, j.segments[1].first); err != nil {
		t.Errorf("Read of what is good: %v", err)
	}
}

// TestRewritten changes a record and makes its CRC right: the next one, which
// names the hash of what was there, shows it.
func TestRewritten(t *testing.T) {
	t.Parallel()
	dir, records := journalOf(t, 5, 1)
	path := lastSegment(t, dir)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	forged := records[1]
	forged.Payload = []byte("payload 8")
	at := segmentHeader + recordSize("command", records[0].Payload)
	copy(whole[at:], appendRecord(nil, &forged, 2))
	_, _, err = reopenWith(t, Config{Dir: dir, SegmentSize: testSegment}, path, whole)
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "record 3 does not follow record 2") {
		t.Fatalf("opened with %v", err)
	}
}
