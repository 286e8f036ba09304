package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

const testSegment = minSegmentSize

func mustOpen(t testing.TB, cfg Config) (*Journal, Report) {
	t.Helper()
	j, report, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j, report
}

func mustAppend(t testing.TB, j *Journal, n int, payload func(i int) []byte) []Record {
	t.Helper()
	var records []Record
	for i := range n {
		p, err := j.Append(int64(i), "command", payload(i))
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Wait()
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return records
}

func mustClose(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func readAll(j *Journal, from uint64) ([]Record, error) {
	var records []Record
	for r, err := range j.Read(from) {
		if err != nil {
			return records, err
		}
		records = append(records, r)
	}
	return records, nil
}

func sameRecords(t testing.TB, got, want []Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		g, w := got[i], want[i]
		if g.Seq != w.Seq || g.At != w.At || g.Kind != w.Kind || !bytes.Equal(g.Payload, w.Payload) || g.Prev != w.Prev || g.Hash != w.Hash {
			t.Fatalf("record %d is %+v, want %+v", i, g, w)
		}
	}
}

func small(i int) []byte { return fmt.Appendf(nil, "payload %d", i) }

// TestRoundTrip writes any records in any groups, over many segments, with
// any reopening between, and reads them from any place.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		cfg := Config{Dir: dir, SegmentSize: testSegment}
		j, _ := mustOpen(t, cfg)
		var want []Record
		for range rapid.IntRange(0, 4).Draw(rt, "rounds") {
			var pending []Pending
			for range rapid.IntRange(0, 20).Draw(rt, "records") {
				kind := rapid.StringN(1, 20, 255).Draw(rt, "kind")
				payload := rapid.SliceOfN(rapid.Byte(), 0, 1500).Draw(rt, "payload")
				p, err := j.Append(rapid.Int64().Draw(rt, "at"), kind, payload)
				if err != nil {
					rt.Fatal(err)
				}
				pending = append(pending, p)
			}
			for _, p := range pending {
				r, err := p.Wait()
				if err != nil {
					rt.Fatal(err)
				}
				want = append(want, r)
			}
			if rapid.Bool().Draw(rt, "reopen") {
				mustClose(t, j)
				var report Report
				j, report = mustOpen(t, cfg)
				if report.Cut != 0 {
					rt.Fatalf("cut %d bytes of a whole journal", report.Cut)
				}
			}
		}
		from := rapid.IntRange(0, len(want)+1).Draw(rt, "from")
		got, err := readAll(j, uint64(from))
		if err != nil {
			rt.Fatal(err)
		}
		sameRecords(t, got, want[min(max(from-1, 0), len(want)):])
		if err := j.VerifyAll(nil); err != nil {
			rt.Fatal(err)
		}
		if len(want) > 0 && j.Head() != (Head{want[len(want)-1].Seq, want[len(want)-1].Hash}) {
			rt.Fatalf("head is %d", j.Head().Seq)
		}
		mustClose(t, j)
	})
}

func TestOrderUnderConcurrency(t *testing.T) {
	t.Parallel()
	j, _ := mustOpen(t, Config{Dir: t.TempDir(), SegmentSize: testSegment})
	const clients, each = 16, 100
	var mu sync.Mutex // the callers' own lock: sequence order is call order
	var order [][]byte
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range each {
				payload := fmt.Appendf(nil, "client %d record %d", c, i)
				mu.Lock()
				p, err := j.Append(0, "command", payload)
				order = append(order, payload)
				mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				if r, err := p.Wait(); err != nil || j.Head().Seq < r.Seq {
					t.Errorf("record %d acknowledged before it was durable, or %v", r.Seq, err)
					return
				}
			}
		})
	}
	wg.Wait()
	got, err := readAll(j, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != clients*each {
		t.Fatalf("%d records, want %d", len(got), clients*each)
	}
	for i, r := range got {
		if !bytes.Equal(r.Payload, order[i]) {
			t.Fatalf("record %d is %q, appended was %q", r.Seq, r.Payload, order[i])
		}
	}
}

func TestVerifyAllReportsProgress(t *testing.T) {
	t.Parallel()
	j, _ := mustOpen(t, Config{Dir: t.TempDir(), SegmentSize: testSegment})
	mustAppend(t, j, 200, small)
	var last, total int64
	calls := 0
	err := j.VerifyAll(func(done, all int64) {
		if done <= last || done > all || calls > 0 && all != total {
			t.Errorf("progress %d of %d after %d of %d", done, all, last, total)
		}
		last, total, calls = done, all, calls+1
	})
	if err != nil || last != total || calls != len(j.segments) || calls < 4 {
		t.Fatalf("%v, %d of %d bytes in %d calls for %d segments", err, last, total, calls, len(j.segments))
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	j, _ := mustOpen(t, Config{Dir: t.TempDir(), SegmentSize: testSegment})
	const largest = testSegment - segmentHeader - recordFixed - len("k")
	for name, c := range map[string]struct {
		kind    string
		payload []byte
	}{
		"no kind":   {"", nil},
		"long kind": {strings.Repeat("k", 256), nil},
		"too large": {"k", make([]byte, largest+1)},
	} {
		if _, err := j.Append(0, c.kind, c.payload); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for range 3 { // each fills a segment to its last byte
		mustAppend(t, j, 1, func(int) []byte { return bytes.Repeat([]byte{1}, largest-len("ommand")) })
	}
	if got, err := readAll(j, 1); err != nil || len(got) != 3 {
		t.Fatalf("%d records, %v", len(got), err)
	}
	mustClose(t, j)
	if _, err := j.Append(0, "k", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := j.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if err := j.Reopen(); !errors.Is(err, ErrClosed) {
		t.Errorf("Reopen after Close: %v", err)
	}
}

func TestConfigRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{}, {Dir: t.TempDir(), SegmentSize: 5000}, {Dir: t.TempDir(), SegmentSize: -4096}, {Dir: t.TempDir(), SegmentSize: 2 << 30}} {
		if j, _, err := Open(c); err == nil {
			j.Close()
			t.Errorf("accepted %+v", c)
		}
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: t.TempDir(), SegmentSize: testSegment}
	j, _ := mustOpen(t, cfg)
	_, _, err := Open(cfg)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Fatalf("second open: %v", err)
	}
	mustClose(t, j)
	mustOpen(t, cfg) // the LOCK file that is left over does no harm
}

// TestLockWithCopies: a copy of the descriptor, as a process that is being
// started has for a moment, does not keep the folder locked.
func TestLockWithCopies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := TakeLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(lock.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if lock, err = TakeLock(dir); err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
}

// TestCallersLock: a journal opened under a lock taken before leaves it to
// its owner.
func TestCallersLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := TakeLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	j, _ := mustOpen(t, Config{Dir: dir, SegmentSize: testSegment, Lock: lock})
	mustClose(t, j)
	if _, err := TakeLock(dir); !errors.Is(err, ErrLocked) {
		t.Fatalf("the lock went with the journal: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
}

func lastSegment(t testing.TB, dir string) string {
	t.Helper()
	list, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	return list[len(list)-1].path
}

func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(filepath.Join(to, "j"), os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(to, "j")
}
