package intent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// change is one of account 1, told apart by its instance.
func change(instance uint32, kind account.ImageChangeKind) account.ImageChange {
	return account.ImageChange{Image: account.Image{Account: 1, Instance: instance}, Kind: kind}
}

func uncertain(instance uint32, product, picture byte) account.ImageChange {
	c := change(instance, account.ImageUncertain)
	c.Product[0], c.Picture[0] = product, picture
	return c
}

func open(t *testing.T, path string) (*Log, []account.ImageChange) {
	t.Helper()
	l, list, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, list
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// killed opens the file as a process that follows one that was killed.
func killed(t *testing.T, path string, want ...account.ImageChange) *Log {
	t.Helper()
	l, got := open(t, path)
	if !slices.Equal(got, want) {
		t.Fatalf("open: %v, want %v", got, want)
	}
	return l
}

// TestWhatHasNotEndedIsFound (D28).
func TestWhatHasNotEndedIsFound(t *testing.T) {
	t.Parallel()
	path, ok := filepath.Join(t.TempDir(), "intents"), must[uint64](t)
	l := killed(t, path)
	one, two, three := ok(l.Begin(change(1, account.ImageAdded), false)), ok(l.Begin(change(2, account.ImageAdded), false)), ok(l.Begin(uncertain(3, 7, 8), true))
	ok(l.Begin(change(4, account.ProductDeleted), false))
	if err := errors.Join(l.Name(two, [16]byte{5}, [16]byte{6}), l.End(one), l.Name(one, [16]byte{1}, [16]byte{1}), l.End(one)); err != nil {
		t.Fatal(err)
	}
	left := []account.ImageChange{uncertain(2, 5, 6), uncertain(3, 7, 8), uncertain(4, 0, 0)}
	l = killed(t, path, left...)
	five := ok(l.Begin(change(5, account.ImageAdded), false))
	if five <= three {
		t.Errorf("number %d is given again", five)
	}
	l = killed(t, path, append(left, uncertain(5, 0, 0))...) // killed again before they were journalled
	ok(l.Begin(change(6, account.ImageAdded), false))
	if err := l.Forget(); err != nil {
		t.Fatal(err)
	}
	killed(t, path, uncertain(6, 0, 0))
}

// TestLostTail: a power cut leaves zeros where the newest records were. Those
// before are read, and the next one is written in their place.
func TestLostTail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "intents")
	l := killed(t, path)
	for n := range uint32(4) {
		must[uint64](t)(l.Begin(change(n+1, account.ImageAdded), false))
	}
	clear := make([]byte, 2*recordSize)
	if _, err := l.file.WriteAt(clear, 3*recordSize); err != nil {
		t.Fatal(err)
	}
	l = killed(t, path, uncertain(1, 0, 0), uncertain(2, 0, 0))
	must[uint64](t)(l.Begin(change(3, account.ImageAdded), false))
	killed(t, path, uncertain(1, 0, 0), uncertain(2, 0, 0), uncertain(3, 0, 0))
}

// TestCutIsReported, wherever the file was cut, and the records before are read.
func TestCutIsReported(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "intents")
	l := killed(t, path)
	must[uint64](t)(l.Begin(change(1, account.ImageAdded), false))
	must[uint64](t)(l.Begin(change(2, account.ImageAdded), false))
	whole := must[[]byte](t)(os.ReadFile(path))
	for _, end := range []int{0, 1, recordSize, recordSize + 1, 2 * recordSize, 3*recordSize - 1, 3 * recordSize, len(whole) / 2, len(whole) - 1} {
		if err := os.WriteFile(path, whole[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		l, list, err := Open(path)
		if !errors.Is(err, ErrDamaged) || len(list) != min(2, max(0, end/recordSize-1)) {
			t.Fatalf("cut at %d: %v, %v", end, list, err)
		}
		must[uint64](t)(l.Begin(change(3, account.ImageAdded), false))
		if err := errors.Join(l.Forget(), l.Close()); err != nil {
			t.Fatal(err)
		}
		killed(t, path, uncertain(3, 0, 0))
	}
}

// TestDamageIsReported, and the other records are read.
func TestDamageIsReported(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "intents")
	l := killed(t, path)
	for i := range uint32(3) {
		must[uint64](t)(l.Begin(change(i+1, account.ImageAdded), false))
	}
	whole := must[[]byte](t)(os.ReadFile(path))
	for at := range 4 * recordSize { // the first and the last record too
		data := slices.Clone(whole)
		data[at] ^= 0x10
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		l, list, err := Open(path)
		left := 2
		if at < recordSize {
			left = 3
		}
		if !errors.Is(err, ErrDamaged) || len(list) != left {
			t.Fatalf("byte %d: %v, %v", at, list, err)
		}
		if err := l.Forget(); err != nil {
			t.Fatal(err)
		}
		l.Close()
		killed(t, path)
	}
}

// TestTheFileStaysSmall, whatever is open meanwhile.
func TestTheFileStaysSmall(t *testing.T) {
	t.Parallel()
	path, ok := filepath.Join(t.TempDir(), "intents"), must[uint64](t)
	l := killed(t, path)
	ok(l.Begin(change(1, account.ImageAdded), false))
	largest := int64(0)
	for range 20_000 {
		id := ok(l.Begin(change(2, account.ImageAdded), false))
		if err := errors.Join(l.Name(id, [16]byte{1}, [16]byte{2}), l.End(id)); err != nil {
			t.Fatal(err)
		}
		largest = max(largest, l.size)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 2*compactAt || l.room != info.Size() || largest > compactAt+3*recordSize {
		t.Errorf("%v, largest %d, in the end %d, %v", info, largest, l.size, err)
	}
	killed(t, path, uncertain(1, 0, 0))
}

// TestUnwritable: nothing begins that is not written down.
func TestUnwritable(t *testing.T) {
	t.Parallel()
	l := killed(t, filepath.Join(t.TempDir(), "intents"))
	l.Close()
	if _, err := l.Begin(change(1, account.ImageAdded), false); err == nil || len(l.open) != 0 {
		t.Error(err, l.open)
	}
	if _, _, err := Open(filepath.Join(t.TempDir(), "no", "folder")); err == nil {
		t.Error("a log without a folder")
	}
}

func FuzzOpen(f *testing.F) {
	b := record{kind: begins, id: 1, entry: entry{uncertain(1, 2, 3), true}}.encode(64)
	f.Add(b[:])
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &Log{open: make(map[uint64]entry)}
		l.read(data)
		if l.size > max(recordSize, int64(len(data))) || l.size%recordSize != 0 {
			t.Error(fmt.Sprint(l.size, len(data)))
		}
	})
}
