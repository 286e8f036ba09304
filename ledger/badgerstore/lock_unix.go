//go:build linux || darwin || freebsd

package badgerstore

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// locks: the folder is locked here, before anything in it is looked at, and not
// by Badger. It is the same lock.
const locks = true

type dirLock struct{ dir *os.File }

func lockDir(path string) (*dirLock, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errors.New("another process has it open, or this one has since the disk was too full to close it: stop that first")
		}
		return nil, errors.Join(fmt.Errorf("locking the folder: %w", err), dir.Close())
	}
	return &dirLock{dir}, nil
}

// release gives the folder back. Closing it alone would not do while a process
// that this one is just starting still has a copy of its descriptor.
func (l *dirLock) release() error {
	return errors.Join(unix.Flock(int(l.dir.Fd()), unix.LOCK_UN), l.dir.Close())
}
