package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

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
