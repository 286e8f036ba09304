package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

func openOn(t testing.TB, cfg Config, d disk) *Journal {
	t.Helper()
	j, _, err := open(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// TestGroupsOfThoseWhoComeBack: who has been told that a record is durable may
// append the next one before a sync begins that would not wait for it.
func TestGroupsOfThoseWhoComeBack(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var syncs atomic.Int64
	d := realDisk
	d.sync = func(*os.File) error { syncs.Add(1); return nil }
	j := openOn(t, Config{Dir: t.TempDir(), SegmentSize: 1 << 20}, d)
	const clients, records = 16, 50
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range records {
				p, err := j.Append(0, "k", nil)
				if err == nil {
					_, err = p.Wait()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := syncs.Load(); n > records*2 {
		t.Errorf("%d syncs for %d records of %d clients", n, clients*records, clients)
	}
}

func TestGroupCommit(t *testing.T) {
	t.Parallel()
	var syncs atomic.Int64
	entered, release := make(chan struct{}, 1), make(chan struct{})
	var blocking atomic.Bool
	d := realDisk
	d.sync = func(f *os.File) error {
		syncs.Add(1)
		if blocking.CompareAndSwap(true, false) {
			entered <- struct{}{}
			<-release
		}
		return fdatasync(f)
	}
	j := openOn(t, Config{Dir: t.TempDir(), SegmentSize: 1 << 20}, d)
	before := syncs.Load()
	blocking.Store(true)
	var pending []Pending
	add := func() {
		p, err := j.Append(0, "k", nil)
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, p)
	}
	add()
	<-entered // the first record's sync runs; the rest must share the next one
	for range 999 {
		add()
	}
	if head := j.Head(); head.Seq != 0 {
		t.Errorf("head is %d during the first sync", head.Seq)
	}
	close(release)
	for _, p := range pending {
		if _, err := p.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if n := syncs.Load() - before; n != 2 {
		t.Errorf("%d syncs for 1000 records, want 2", n)
	}
}

// TestOrderOfRoll: data before its acknowledgement, a header before the name,
// the name before records.
func TestOrderOfRoll(t *testing.T) {
	t.Parallel()
	var steps []string
	d := realDisk
	d.write = func(f *os.File, b []byte, at int64) error {
		steps = append(steps, fmt.Sprintf("write %d", at))
		return realDisk.write(f, b, at)
	}
	d.sync = func(f *os.File) error {
		steps = append(steps, "sync")
		return realDisk.sync(f)
	}
	d.rename = func(from, to string) error {
		steps = append(steps, "rename "+filepath.Base(to))
		return realDisk.rename(from, to)
	}
	d.syncDir = func(dir string) error {
		steps = append(steps, "sync folder")
		return realDisk.syncDir(dir)
	}
	j := openOn(t, Config{Dir: t.TempDir(), SegmentSize: testSegment}, d)
	payload := func(int) []byte { return make([]byte, 3000) }
	mustAppend(t, j, 1, payload)
	steps = nil
	mustAppend(t, j, 1, payload)
	want := []string{"write 0", "sync", "rename " + segmentName(2), "sync folder", "write 72", "sync"}
	if fmt.Sprint(steps) != fmt.Sprint(want) {
		t.Errorf("steps are %q, want %q", steps, want)
	}
}

func TestSyncFailure(t *testing.T) {
	t.Parallel()
	var failing atomic.Bool
	entered, release := make(chan struct{}), make(chan struct{})
	d := realDisk
	d.sync = func(f *os.File) error {
		if failing.Load() {
			entered <- struct{}{}
			<-release
			return syscall.EIO
		}
		return realDisk.sync(f)
	}
	cfg := anchoredConfig(t)
	j := openOn(t, cfg, d)
	good := mustAppend(t, j, 3, small)
	failing.Store(true)
	inFlight, err := j.Append(0, "k", []byte("in flight"))
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	queued, err := j.Append(0, "k", []byte("queued"))
	if err != nil {
		t.Fatal(err)
	}
	close(release)
	for _, p := range []Pending{inFlight, queued} {
		if _, err := p.Wait(); !errors.Is(err, ErrStopped) || !errors.Is(err, syscall.EIO) {
			t.Errorf("Wait: %v", err)
		}
	}
	if _, err := j.Append(0, "k", nil); !errors.Is(err, ErrStopped) || !errors.Is(err, syscall.EIO) {
		t.Errorf("Append: %v", err)
	}
	if got, err := readAll(j, 1); err != nil || len(got) != 3 || j.Head().Seq != 3 {
		t.Errorf("%d records are readable, head %d, %v", len(got), j.Head().Seq, err)
	}

	entered = make(chan struct{}, 1)
	if err := j.Reopen(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Reopen on a failing disk: %v", err)
	}
	if _, err := j.Append(0, "k", nil); !errors.Is(err, ErrStopped) {
		t.Errorf("Append after a failed Reopen: %v", err)
	}
	failing.Store(false)
	if err := j.Reopen(); err != nil {
		t.Fatal(err)
	}
	// The write had gone through, so the record in flight is there after all,
	// and the one that was never written is not.
	after := mustAppend(t, j, 1, small)
	got, err := readAll(j, 1)
	if err != nil {
		t.Fatal(err)
	}
	lost, _ := inFlight.Wait()
	sameRecords(t, got, append(append(good, lost), after...))
	mustClose(t, j)
	if on, err := readAnchor(cfg.Anchor); err != nil || on.Seq != 5 {
		t.Errorf("anchor at %d, %v", on.Seq, err)
	}
}

// TestReopenMissesRecords: what was acknowledged before the failure must
// still be there after it.
func TestReopenMissesRecords(t *testing.T) {
	t.Parallel()
	var failing atomic.Bool
	d := realDisk
	d.sync = func(f *os.File) error {
		if failing.Load() {
			return syscall.EIO
		}
		return realDisk.sync(f)
	}
	j := openOn(t, Config{Dir: t.TempDir(), SegmentSize: testSegment}, d)
	mustAppend(t, j, 3, small)
	failing.Store(true)
	p, err := j.Append(0, "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(); !errors.Is(err, ErrStopped) {
		t.Fatal(err)
	}
	failing.Store(false)
	whole, err := os.ReadFile(j.segments[0].path)
	if err != nil {
		t.Fatal(err)
	}
	clear(whole[segmentHeader+recordSize("command", small(0)):])
	if err := os.WriteFile(j.segments[0].path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := j.Reopen(); !errors.Is(err, ErrDamaged) {
		t.Errorf("Reopen: %v", err)
	}
	if _, err := j.Append(0, "k", nil); !errors.Is(err, ErrStopped) {
		t.Errorf("Append: %v", err)
	}
}

// TestReadIsMadeDurable: a group that was written but perhaps not synced is
// written and synced again before Open or Reopen count on it. Torn bytes
// behind it go with the same write.
func TestReadIsMadeDurable(t *testing.T) {
	t.Parallel()
	dir, records := journalOf(t, 6, 2)
	path := lastSegment(t, dir)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := recordSize("command", records[0].Payload)
	end := segmentHeader + 6*size
	whole[end+50] = 1
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	var steps []string
	d := realDisk
	d.write = func(f *os.File, b []byte, at int64) error {
		steps = append(steps, fmt.Sprintf("write %d to %d", at, int(at)+len(b)))
		return realDisk.write(f, b, at)
	}
	d.sync = func(*os.File) error {
		steps = append(steps, "sync")
		return nil
	}
	openOn(t, Config{Dir: dir, SegmentSize: testSegment}, d)
	want := []string{fmt.Sprintf("write %d to %d", segmentHeader+4*size, end+51), "sync"}
	if fmt.Sprint(steps) != fmt.Sprint(want) {
		t.Errorf("steps are %q, want %q", steps, want)
	}
}

// TestAnyFailure lets any operation fail, writes after any part of their
// bytes. What was acknowledged stays; what was not is there at most once.
func TestAnyFailure(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		countdown := int64(-1)
		part := rapid.IntRange(0, 100).Draw(rt, "percent of the failing write")
		var mu sync.Mutex
		fails := func() bool {
			mu.Lock()
			defer mu.Unlock()
			countdown--
			return countdown == 0
		}
		d := disk{
			write: func(f *os.File, b []byte, at int64) error {
				if fails() {
					return errors.Join(realDisk.write(f, b[:len(b)*part/100], at), syscall.EIO)
				}
				return realDisk.write(f, b, at)
			},
			sync: func(*os.File) error {
				if fails() {
					return syscall.EIO
				}
				return nil
			},
			rename: func(from, to string) error {
				if fails() {
					return syscall.EROFS
				}
				return os.Rename(from, to)
			},
			syncDir: func(string) error {
				if fails() {
					return syscall.EIO
				}
				return nil
			},
			blank: func(path string, size int64) (*os.File, error) {
				if fails() {
					return nil, syscall.ENOSPC
				}
				return realDisk.blank(path, size)
			},
		}
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		cfg := Config{Dir: dir, SegmentSize: testSegment}
		j := openOn(t, cfg, d)
		mu.Lock()
		countdown = rapid.Int64Range(1, 60).Draw(rt, "operations before the failure")
		mu.Unlock()
		acknowledged := map[uint64][32]byte{}
		stops := 0
		for i := range 60 {
			payload := make([]byte, rapid.IntRange(0, 400).Draw(rt, "size"))
			payload = append(payload, byte(i))
			p, err := j.Append(int64(i), "k", payload)
			if err != nil {
				rt.Fatal(err)
			}
			r, err := p.Wait()
			if err == nil {
				acknowledged[r.Seq] = r.Hash
				continue
			}
			if stops++; !errors.Is(err, ErrStopped) || stops > 1 {
				rt.Fatalf("stop %d: %v", stops, err)
			}
			if err := j.Reopen(); err != nil {
				rt.Fatal(err)
			}
		}
		mustClose(t, j)
		j, _ = mustOpen(t, cfg)
		got, err := readAll(j, 1)
		if err != nil || j.VerifyAll(nil) != nil {
			rt.Fatal(err, j.VerifyAll(nil))
		}
		seen := map[int64]bool{}
		for _, r := range got {
			if hash, ok := acknowledged[r.Seq]; ok && hash != r.Hash || seen[r.At] {
				rt.Fatalf("record %d is not the one acknowledged, or twice there", r.Seq)
			}
			seen[r.At] = true
			delete(acknowledged, r.Seq)
		}
		if len(acknowledged) > 0 || len(got) < 59 {
			rt.Fatalf("%d records, %d acknowledged ones lost", len(got), len(acknowledged))
		}
		mustClose(t, j)
	})
}
