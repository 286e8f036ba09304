// Package ballast keeps a file whose only use is the space that it takes. On a
// full disk it is given up piece by piece to what must go on, and filled again
// when there is room.
//
//	b, err := ballast.Open("data/ballast", 128<<20) // nothing is allocated yet
//	err = b.Fill(96 << 20)                          // as far as 96 MiB stay free
//	given, err := b.Give(8 << 20)                   // now 8 MiB more are free
//
// What is given up is free for anybody: on a disk that others fill, it has to be
// used at once.
package ballast

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// slice is by how much the file grows at a time, in bytes.
const slice = 4 << 20

// File is an open ballast. Its methods may be called from any goroutine.
type File struct {
	mu   sync.Mutex
	file *os.File // nil where there is none and there shall be none
	path string
	want int64
	size int64
}

// Open takes up the ballast that an earlier run left in a file. It shall have
// want bytes; what is more than that is given back, and with 0 the file is
// removed.
func Open(path string, want int64) (*File, error) {
	if want == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("ballast: %w", err)
		}
		return &File{path: path}, nil
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ballast: %w", err)
	}
	b := &File{file: file, path: path, want: want}
	info, err := file.Stat()
	if err == nil {
		b.size = info.Size()
		err = b.shrink(want)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ballast: %w", err), file.Close())
	}
	return b, nil
}

// Size is how many bytes it has.
func (b *File) Size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size
}

// Want is how many bytes it shall have.
func (b *File) Want() int64 { return b.want }

// Give gives up at least so many bytes, or all there are, and returns how many.
// They are free when it returns.
func (b *File) Give(bytes int64) (given int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.size
	if bytes <= 0 || before == 0 {
		return 0, nil
	}
	if err := b.shrink(max(0, before-bytes)); err != nil {
		return 0, fmt.Errorf("ballast: %w", err)
	}
	return before - b.size, nil
}

// shrink is synced, since a file system may keep what was freed until then.
func (b *File) shrink(size int64) error {
	if size >= b.size {
		return nil
	}
	if err := b.file.Truncate(size); err != nil {
		return err
	}
	b.size = size
	return b.file.Sync()
}

// Fill lets it grow to what it shall have, as far as so many bytes stay free on
// its disk. A disk that is full is no error.
func (b *File) Fill(keep uint64) error { return b.grow(b.want, keep) }

// Restore lets it grow to a size that it had before, as far as the disk goes.
func (b *File) Restore(size int64) error { return b.grow(size, 0) }

func (b *File) grow(size int64, keep uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.size < min(size, b.want) {
		step := min(slice, min(size, b.want)-b.size)
		free, err := Free(b.path)
		if err != nil {
			return fmt.Errorf("ballast: %w", err)
		}
		if free < keep+uint64(step) {
			return nil
		}
		if err := allocate(b.file, b.size, step); err != nil {
			err = errors.Join(err, b.file.Truncate(b.size)) // what was allocated of it
			if errors.Is(err, syscall.ENOSPC) {
				return nil
			}
			return fmt.Errorf("ballast: %w", err)
		}
		b.size += step
	}
	return nil
}

// Close leaves the file as it is.
func (b *File) Close() error {
	if b.file == nil {
		return nil
	}
	return b.file.Close()
}

// zeros writes zeros, where space cannot be had without.
func zeros(f *os.File, at, n int64) error {
	buf := make([]byte, 1<<20)
	for end := at + n; at < end; {
		wrote, err := f.WriteAt(buf[:min(int64(len(buf)), end-at)], at)
		if err != nil {
			return err
		}
		at += int64(wrote)
	}
	return f.Sync()
}
