package tally

import (
	"os"
	"testing"

	"github.com/tallygate/tallygate/account"
)

var hour = Header{Node: "gate-1", Start: 1795312800, Length: 3600}

// fatal is what *testing.T and *rapid.T share.
type fatal interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func create(t testing.TB, cfg Config) *File {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	f, err := Create(cfg, hour)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.crash() })
	return f
}

func mustOpen(t testing.TB, cfg Config, path string) (*File, Report) {
	t.Helper()
	f, rep, err := Open(cfg, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.crash() })
	return f, rep
}

func mustSlot(t fatal, f *File, line account.Line) uint32 {
	t.Helper()
	n, err := f.Slot(line)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustSync(t fatal, f *File) {
	t.Helper()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

func add(f *File, slot uint32, times int) {
	for range times {
		f.Add(slot)
	}
}

// noSync saves time where the test itself says what a power loss keeps.
func noSync(*os.File) error { return nil }

// crash ends a File as a kill would: nothing more is written.
func (f *File) crash() {
	f.slotMu.Lock()
	was := f.closed.Swap(true)
	f.slotMu.Unlock()
	if !was {
		close(f.stop)
		f.loops.Wait()
		f.release()
	}
}

// counts is every line's sum.
func counts(f *File) map[account.Line]uint64 {
	sums := map[account.Line]uint64{}
	for _, c := range f.Each() {
		sums[c.Line] += c.Calls
	}
	return sums
}

// flip changes one bit of a file.
func flip(t fatal, path string, bit int64) {
	t.Helper()
	patch(t, path, bit/8, func(b []byte) { b[0] ^= 1 << (bit % 8) }, 1)
}

// patch changes n bytes of a file in place.
func patch(t fatal, path string, off int64, change func([]byte), n int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	change(b)
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}
