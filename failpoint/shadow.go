//go:build failpoints

package failpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// The shadow of a folder is what a power cut would leave of it for certain:
//
//	content/ID    a file's content when it was last synced
//	names.json    path below the folder → ID, as of the last sync of each folder
//
// An ID is the file's inode and time of birth. The power-cut model makes a
// folder of it and mixes in pages and names that are newer.
var (
	shadow   = os.Getenv("TALLYGATE_SHADOW")
	shadowOf = os.Getenv("TALLYGATE_SHADOW_OF")
	shadowMu sync.Mutex
	names    map[string]string
)

const page = 4096

// must ends a test run whose model cannot be kept.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("failpoint: shadow: %v", err))
	}
}

// FileID names a file for as long as it exists, whatever it is called.
func FileID(path string) (string, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &st)
	if err != nil {
		return "", &fs.PathError{Op: "statx", Path: path, Err: err}
	}
	return fmt.Sprintf("%d-%d.%09d", st.Ino, st.Btime.Sec, st.Btime.Nsec), nil
}

// Synced tells that a file's content is durable.
func Synced(f *os.File) {
	if shadow == "" {
		return
	}
	shadowMu.Lock()
	defer shadowMu.Unlock()
	path := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	target, err := os.Readlink(path)
	must(err)
	if _, ok := below(target); ok {
		must(copyContent(target))
	}
}

// SyncedDir tells that the names in a folder are durable.
func SyncedDir(dir string) {
	if shadow == "" {
		return
	}
	shadowMu.Lock()
	defer shadowMu.Unlock()
	must(copyNames(dir, nil))
}

// SyncedTree tells that a folder is durable with all that is in it. Files that
// others remove meanwhile are passed over, and taken again.
func SyncedTree(dir string) {
	if shadow == "" {
		return
	}
	shadowMu.Lock()
	defer shadowMu.Unlock()
	for {
		before, err := os.ReadFile(filepath.Join(dir, "MANIFEST"))
		must(err)
		must(copyNames(dir, copyContent))
		after, err := os.ReadFile(filepath.Join(dir, "MANIFEST"))
		must(err)
		if bytes.Equal(before, after) {
			return
		}
	}
}

func below(path string) (string, bool) {
	rel, err := filepath.Rel(shadowOf, path)
	return rel, err == nil && filepath.IsLocal(rel)
}

// copyNames makes the names in a folder durable, and with each visits the file.
func copyNames(dir string, visit func(path string) error) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	rel, ok := below(abs)
	if !ok {
		return nil
	}
	if names == nil {
		if names, err = readNames(); err != nil {
			return err
		}
	}
	for name := range names {
		if filepath.Dir(name) == filepath.Clean(rel) {
			delete(names, name)
		}
	}
	entries, err := os.ReadDir(abs)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(abs, e.Name())
		id, err := FileID(path)
		if err == nil && !e.IsDir() && visit != nil {
			err = visit(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !e.IsDir() {
			names[filepath.Join(rel, e.Name())] = id
		}
	}
	return writeNames()
}

func readNames() (map[string]string, error) {
	list := map[string]string{}
	text, err := os.ReadFile(filepath.Join(shadow, "names.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	return list, err
}

// writeNames leaves the old or the new names, whenever the process is killed.
func writeNames() error {
	text, err := json.Marshal(names)
	if err != nil {
		return err
	}
	path := filepath.Join(shadow, "names.json")
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// copyContent copies the pages of a file that differ from its shadow.
func copyContent(path string) error {
	id, err := FileID(path)
	if err != nil {
		return err
	}
	live, err := os.Open(path)
	if err != nil {
		return err
	}
	defer live.Close()
	if err := os.MkdirAll(filepath.Join(shadow, "content"), 0o700); err != nil {
		return err
	}
	kept, err := os.OpenFile(filepath.Join(shadow, "content", id), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer kept.Close()
	info, err := live.Stat()
	if err == nil {
		err = kept.Truncate(info.Size())
	}
	if err == nil {
		err = copyPages(kept, live, info.Size())
	}
	return err
}

func copyPages(to, from *os.File, size int64) error {
	const run = 64 * page
	have, want := make([]byte, run), make([]byte, run)
	for at := int64(0); at < size; at += run {
		data, err := from.Seek(at, unix.SEEK_DATA) // holes are in the shadow already
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err != nil {
			return err
		}
		at = data - data%run
		n, err := from.ReadAt(want, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if m, err := to.ReadAt(have[:n], at); err != nil && !errors.Is(err, io.EOF) {
			return err
		} else if m == n && bytes.Equal(have[:n], want[:n]) {
			continue
		}
		if _, err := to.WriteAt(want[:n], at); err != nil {
			return err
		}
	}
	return nil
}
