package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestEncodedRecords: what Encoded keeps of a record is all that the chain needs.
func TestEncodedRecords(t *testing.T) {
	t.Parallel()
	_, records := journalOf(t, 20, 3)
	j, _ := mustOpen(t, Config{Dir: filepath.Join(t.TempDir(), "journal"), SegmentSize: testSegment})
	for _, r := range records {
		parsed, err := ParseRecord(r.Encoded())
		if err != nil || parsed.Head() != r.Head() || parsed.Kind != r.Kind || parsed.At != r.At || !bytes.Equal(parsed.Payload, r.Payload) {
			t.Fatalf("%+v became %+v, %v", r, parsed, err)
		}
		p, err := j.Append(parsed.At, parsed.Kind, parsed.Payload) // alone in its group, unlike before
		if err != nil {
			t.Fatal(err)
		}
		if again, err := p.Wait(); err != nil || again.Head() != r.Head() {
			t.Fatalf("record %d got the hash %x, it had %x, %v", r.Seq, again.Hash, r.Hash, err)
		}
	}
	mustClose(t, j)
	for n := range records[0].Encoded() {
		if _, err := ParseRecord(records[0].Encoded()[:n]); err == nil && n < recordFixed-seqAt+1 {
			t.Errorf("%d bytes are taken for a record", n)
		}
	}
}

// segmentsOf makes a journal of several segments.
func segmentsOf(t *testing.T) (dir string, records []Record, paths []string) {
	t.Helper()
	dir, records = journalOf(t, 400, 4)
	paths, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil || len(paths) < 3 {
		t.Fatalf("segments %v, %v", paths, err)
	}
	return dir, records, paths
}

// TestSalvage changes each of many bytes in turn: what stands before the damage and,
// after a head that is given, what stands behind it is found; nothing is written.
func TestSalvage(t *testing.T) {
	t.Parallel()
	dir, records, paths := segmentsOf(t)
	for _, path := range paths {
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(whole); at += 197 {
			changed := bytes.Clone(whole)
			changed[at] ^= 0x40
			if err := os.WriteFile(path, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			checkSalvage(t, dir, records)
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, changed) {
				t.Fatalf("the segment was changed, %v", err)
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if report, err := Inspect(Config{Dir: dir, SegmentSize: testSegment}); err != nil || report.Head != records[len(records)-1].Head() {
		t.Errorf("inspected %+v, %v", report, err)
	}
}

func checkSalvage(t *testing.T, dir string, records []Record) {
	t.Helper()
	var got []Record
	found, err := Salvage(dir, Head{}, func(r Record) error { got = append(got, r); return nil })
	if err != nil {
		t.Fatal(err)
	}
	sameRecords(t, got, records[:len(got)])
	gone := len(records) - len(got)
	switch {
	case gone == 0:
		return
	case found.Head.Seq != uint64(len(got)) || found.Beyond != uint64(gone-1):
		t.Fatalf("of %d records %d were found and %d behind them", len(records), found.Head.Seq, found.Beyond)
	case gone > 1 && found.BeyondAt != records[len(got)+1].At:
		t.Fatalf("the first behind the damage is of %d", found.BeyondAt)
	}
	if gone > 8 { // else it may be a torn write
		if _, err := Inspect(Config{Dir: dir, SegmentSize: testSegment}); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d records are gone, inspected: %v", gone, err)
		}
	}
	bridge := records[len(got)].Head() // as a backup has it
	rest, err := Salvage(dir, bridge, func(Record) error { return nil })
	if err != nil || rest.Head != records[len(records)-1].Head() || rest.Beyond != 0 {
		t.Fatalf("behind record %d: %+v, %v", bridge.Seq, rest, err)
	}
}

// TestInspectIsOpen: it comes to the verdict of Open, and leaves a torn write.
func TestInspectIsOpen(t *testing.T) {
	t.Parallel()
	dir, records, paths := segmentsOf(t)
	anchor := filepath.Join(t.TempDir(), "anchor.json")
	last := paths[len(paths)-1]
	whole, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	end := len(bytes.TrimRight(whole, "\x00"))
	torn := bytes.Clone(whole)
	clear(torn[end-3 : end])
	if err := os.WriteFile(last, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	n := uint64(len(records))
	for _, c := range []struct {
		floor  uint64
		anchor Head
		want   error
	}{
		{0, Head{}, nil},
		{n - 1, Head{}, nil},
		{n, Head{}, ErrDamaged},
		{0, records[n-2].Head(), nil},
		{0, records[n-1].Head(), ErrDamaged},
		{0, Head{n + 7, [32]byte{1}}, ErrDamaged},
		{0, Head{3, [32]byte{1}}, ErrBehindAnchor},
	} {
		os.Remove(anchor)
		if c.anchor.Seq > 0 {
			if err := writeAnchor(anchor, c.anchor); err != nil {
				t.Fatal(err)
			}
		}
		cfg := Config{Dir: dir, SegmentSize: testSegment, Anchor: anchor, Floor: c.floor}
		report, err := Inspect(cfg)
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("floor %d, anchor %d: %v, want %v", c.floor, c.anchor.Seq, err, c.want)
		}
		if c.want == nil && (report.Cut == 0 || report.Head != records[n-2].Head()) {
			t.Errorf("report %+v", report)
		}
		if after, err := os.ReadFile(last); err != nil || !bytes.Equal(after, torn) {
			t.Fatalf("the segment was changed, %v", err)
		}
		if c.want != nil {
			if j, _, err := Open(cfg); err == nil {
				mustClose(t, j)
				t.Errorf("floor %d, anchor %d: Open takes it", c.floor, c.anchor.Seq)
			}
		}
	}
}
