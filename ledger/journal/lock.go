package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/tallygate/tallygate/durable"
)

// Lock is a journal's folder taken for this process. The kernel gives it back
// however the process ends, so a lock is never stale; the pid in the file is
// only for the message.
type Lock struct{ file *os.File }

// TakeLock takes a folder, made where it is missing, before Open does: what else
// belongs to the ledger can be opened in between. ErrLocked names the holder.
func TakeLock(dir string) (*Lock, error) {
	if err := durable.MakeDir(dir); err != nil {
		return nil, fmt.Errorf("journal: create folder: %w", err)
	}
	f, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	return &Lock{f}, nil
}

// Release gives the folder back. Closing the file alone would not do while a
// process that this one is just starting still has a copy of its descriptor.
func (l *Lock) Release() error {
	return errors.Join(syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN), l.file.Close())
}

func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "LOCK")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("journal: lock %s: %w", path, err)
		}
		return nil, fmt.Errorf("%w: %s is open in process %s: stop it first", ErrLocked, dir, holder(f))
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal: write %s: %w", path, err), f.Close())
	}
	return f, nil
}

func holder(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 20))
	if pid := strings.TrimSpace(string(b)); err == nil && pid != "" {
		return pid
	}
	return "(unknown)"
}
