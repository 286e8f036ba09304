package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
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

// powerDisk remembers what is durable: the content of each file as of its last
// sync. A cut leaves that, with any newer sectors, and any names whose folder
// was not synced.
type powerDisk struct {
	mu      sync.Mutex
	durable map[string][]byte // by path; of a blank under its first name
	renamed map[string]string // not durable yet: to -> from
}

func (p *powerDisk) disk() disk {
	d := realDisk
	d.sync = func(f *os.File) error { return p.synced(f, f.Name()) }
	d.rename = func(from, to string) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.renamed[to] = from
		return os.Rename(from, to)
	}
	d.syncDir = func(string) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		clear(p.renamed)
		return nil
	}
	d.blank = func(path string, size int64) (*os.File, error) {
		f, err := realDisk.blank(path, size)
		if err == nil {
			err = p.synced(f, path)
		}
		return f, err
	}
	return d
}

func (p *powerDisk) synced(f *os.File, name string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.durable[fmt.Sprint(info.Sys().(*syscall.Stat_t).Ino)] = b
	return nil
}

// cut makes a folder as it may be after the power came back.
func (p *powerDisk) cut(dir string, random *rand.Rand) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	to, err := os.MkdirTemp(filepath.Dir(dir), "cut")
	if err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		now, err := os.ReadFile(path)
		info, err2 := os.Stat(path)
		if err != nil || err2 != nil {
			return "", errors.Join(err, err2)
		}
		before, known := p.durable[fmt.Sprint(info.Sys().(*syscall.Stat_t).Ino)]
		if _, unnamed := p.renamed[path]; !known || unnamed && random.IntN(2) == 0 {
			continue
		}
		const sector = 512
		for at := 0; at < len(before); at += sector {
			if random.IntN(2) == 0 {
				copy(before[at:at+sector], now[at:])
			}
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), before, 0o600); err != nil {
			return "", err
		}
	}
	return to, nil
}

// TestPowerCut stops at any operation, with groups of any size on their way.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		power := &powerDisk{durable: map[string][]byte{}, renamed: map[string]string{}}
		base, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		cfg := Config{Dir: filepath.Join(base, "journal"), SegmentSize: testSegment}
		d := power.disk()
		countdown := rapid.IntRange(1, 80).Draw(rt, "operations before the cut")
		var after string
		dark := errors.New("the power is off")
		step := func(operation func() error) error { // only the writer's, one at a time
			if countdown--; countdown > 0 {
				return operation()
			}
			if after != "" {
				return dark
			}
			err := operation()
			if random.IntN(2) == 0 { // it never came to it
				err = dark
			}
			if after, err = power.cut(cfg.Dir, random); err != nil {
				rt.Error(err)
			}
			return dark
		}
		write, syncFile, rename, syncFolder := d.write, d.sync, d.rename, d.syncDir
		d.write = func(f *os.File, b []byte, at int64) error { return step(func() error { return write(f, b, at) }) }
		d.sync = func(f *os.File) error {
			if countdown == 1 { // the cut is before this sync returns: it may have done nothing
				return step(func() error { return nil })
			}
			return step(func() error { return syncFile(f) })
		}
		d.rename = func(from, to string) error { return step(func() error { return rename(from, to) }) }
		d.syncDir = func(dir string) error { return step(func() error { return syncFolder(dir) }) }
		acknowledged := runUntilDark(rt, cfg, d)
		if after == "" {
			return
		}
		j, _, err := Open(Config{Dir: after, SegmentSize: testSegment, Floor: uint64(len(acknowledged))})
		if err != nil {
			rt.Fatalf("after %d acknowledged records: %v", len(acknowledged), err)
		}
		defer j.Close()
		got, err := readAll(j, 1)
		if err != nil || j.VerifyAll(nil) != nil {
			rt.Fatal(err, j.VerifyAll(nil))
		}
		for i, hash := range acknowledged {
			if got[i].Hash != hash {
				rt.Fatalf("record %d differs", i+1)
			}
		}
	})
}

// runUntilDark appends in bursts and returns the hashes that were acknowledged.
func runUntilDark(rt *rapid.T, cfg Config, d disk) (acknowledged [][32]byte) {
	j, _, err := open(cfg, d)
	if err != nil {
		return nil // dark already
	}
	defer j.Close()
	for {
		var pending []Pending
		for range rapid.IntRange(1, 8).Draw(rt, "burst") {
			p, err := j.Append(0, "k", make([]byte, rapid.IntRange(0, 700).Draw(rt, "size")))
			if err != nil {
				return acknowledged
			}
			pending = append(pending, p)
		}
		for _, p := range pending {
			r, err := p.Wait()
			if err != nil {
				return acknowledged
			}
			acknowledged = append(acknowledged, r.Hash)
		}
	}
}
