package ballast

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func open(t *testing.T, path string, want int64) *File {
	t.Helper()
	b, err := Open(path, want)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// blocks is how many bytes a file really takes.
func blocks(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

func TestBallast(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ballast")
	const want = 10 << 20
	b := open(t, path, want)
	if err := b.Fill(math.MaxUint64 / 2); err != nil || b.Size() != 0 {
		t.Fatalf("%d bytes where none can be spared, %v", b.Size(), err)
	}
	if err := b.Fill(0); err != nil || b.Size() != want || blocks(t, path) < want {
		t.Fatalf("%d bytes, %d on disk, %v", b.Size(), blocks(t, path), err)
	}
	if n, err := b.Give(3 << 20); n != 3<<20 || err != nil || b.Size() != 7<<20 || blocks(t, path) > 7<<20+4096 {
		t.Fatalf("gave %d, %v; %d bytes, %d on disk", n, err, b.Size(), blocks(t, path))
	}
	if err := b.Restore(8 << 20); err != nil || b.Size() != 8<<20 {
		t.Fatalf("%d bytes, %v", b.Size(), err)
	}
	b.Close()
	if b = open(t, path, want); b.Size() != 8<<20 {
		t.Fatalf("%d bytes after it was opened again", b.Size())
	}
	if err := b.Restore(math.MaxInt64); err != nil || b.Size() != want {
		t.Fatalf("%d bytes, %v", b.Size(), err)
	}
	if n, err := b.Give(math.MaxInt64); n != want || err != nil {
		t.Fatalf("gave %d, %v", n, err)
	}
	if n, err := b.Give(1); n != 0 || err != nil {
		t.Fatalf("gave %d of nothing, %v", n, err)
	}
	if err := b.Fill(0); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if b = open(t, path, 1<<20); b.Size() != 1<<20 {
		t.Fatalf("%d bytes where it shall have fewer", b.Size())
	}
	b.Close()
	if b = open(t, path, 0); b.Size() != 0 || b.Fill(0) != nil {
		t.Fatalf("%d bytes where it shall have none", b.Size())
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the file is still there: %v", err)
	}
}

func TestFreeOfNothing(t *testing.T) {
	t.Parallel()
	if _, err := Free(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing folder has free space")
	}
	if free, size, err := Disk(t.TempDir()); err != nil || free == 0 || size < free {
		t.Errorf("%d of %d bytes free, %v", free, size, err)
	}
}
