// Package durable makes names on a disk outlast a power cut. Syncing a file
// keeps its content; the name under which it is found is its folder's, and is
// lost with it unless that is synced too.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tallygate/tallygate/failpoint"
)

// SyncDir makes the names in a folder durable: files that were made, renamed or
// removed in it.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	names := failpoint.ReadNames(dir) // what comes after this may miss the sync
	if err = errors.Join(d.Sync(), d.Close()); err == nil {
		failpoint.SyncedDir(dir, names)
	}
	return err
}

// MakeDir makes a folder, and those above it, with durable names. One that is
// there may have been made by a process that was killed before it could sync.
func MakeDir(dir string) error {
	parent := filepath.Dir(dir)
	if _, err := os.Stat(dir); err == nil {
		err = SyncDir(parent)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EINVAL) {
			return nil // a folder in one that is another's, or that cannot be synced, was made by another
		}
		return err
	}
	if parent != dir {
		if err := MakeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return SyncDir(parent)
}

// Replace gives a file new content. Whenever the process is killed or the power
// is cut, the old content or the new one is there as a whole; the new one once
// it has returned nil.
func Replace(path string, data []byte) error {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err == nil {
		failpoint.Synced(f)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return SyncDir(filepath.Dir(path))
}
