//go:build failpoints

package failpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// index is the content of names.json.
type index struct {
	Names     map[string]string // path → ID
	Manifests map[string][]byte // path → content

	numbers map[string]uint64 // folder → the listing that holds
}

func (x *index) read() error {
	x.Names, x.Manifests, x.numbers = map[string]string{}, map[string][]byte{}, map[string]uint64{}
	text, err := os.ReadFile(filepath.Join(shadow, "names.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, x)
	}
	return err
}

// set replaces the names in a folder, unless those of a later listing are known.
func (x *index) set(rel string, names Names) bool {
	if x.Names == nil {
		must(x.read())
	}
	if names.number < x.numbers[rel] {
		return false
	}
	x.numbers[rel] = names.number
	for name := range x.Names {
		if filepath.Dir(name) == filepath.Clean(rel) {
			delete(x.Names, name)
		}
	}
	for name, id := range names.ids {
		x.Names[filepath.Join(rel, name)] = id
	}
	return true
}

// write leaves the old or the new index, whenever the process is killed.
func (x *index) write() error {
	text, err := json.Marshal(x)
	if err != nil {
		return err
	}
	path := filepath.Join(shadow, "names.json")
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

const manifest = "MANIFEST"

// SyncedTree tells that a Badger folder is durable as it is, at the end of a
// commit. Badger syncs a table before the manifest names it, and the manifest
// before it removes what that no longer names. So names and manifest are taken
// as one, of a time at which the manifest did not change, and whatever is not in
// the manifest does not matter. It does not sync the names of new tables and
// logs: ext4, XFS and Btrfs keep the name of a new file that is synced.
func SyncedTree(dir string) {
	if shadow == "" {
		return
	}
	shadowMu.Lock()
	defer shadowMu.Unlock()
	rel, ok := relative(dir)
	if !ok {
		return
	}
	path := filepath.Join(dir, manifest)
	for {
		before, err := os.ReadFile(path)
		must(err)
		names, err := list(dir)
		must(err)
		for name := range names.ids {
			must(copyNamed(filepath.Join(dir, name)))
		}
		after, err := os.ReadFile(path)
		must(err)
		if bytes.Equal(before, after) {
			listings++
			names.number = listings
			durable.set(rel, names)
			durable.Manifests[filepath.Join(rel, manifest)] = before
			must(durable.write())
			return
		}
	}
}

func copyNamed(path string) error {
	live, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer live.Close()
	id, err := openID(live)
	if err != nil {
		return err
	}
	const all = 1<<63 - 1
	return copyContent(live, id, extent{0, all}, all)
}

// copyContent copies what differs of an extent of a file, and its size, as far
// as the end that is durable.
func copyContent(live *os.File, id string, e extent, end int64) error {
	info, err := live.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if err := os.MkdirAll(filepath.Join(shadow, "content"), 0o700); err != nil {
		return err
	}
	kept, err := os.OpenFile(filepath.Join(shadow, "content", id), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer kept.Close()
	had, err := kept.Stat()
	if err != nil {
		return err
	}
	size := min(info.Size(), max(end, had.Size())) // an earlier sync may have covered more
	if err := kept.Truncate(size); err != nil {
		return err
	}
	return copyRuns(kept, live, extent{e.lo, min(e.hi, size, end)})
}

// copyRuns passes over holes: they are in the shadow already, unless a file was
// cut short and grew again, and that is a hole in the shadow too.
func copyRuns(to, from *os.File, e extent) error {
	const run = 256 << 10
	have, want := make([]byte, run), make([]byte, run)
	for at := e.lo; at < e.hi; {
		data, err := from.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			data, err = e.hi, nil
		}
		if err != nil {
			return err
		}
		if err := punch(to, at, min(data, e.hi)); err != nil {
			return err
		}
		if at = data; at >= e.hi {
			return nil
		}
		n, err := from.ReadAt(want[:min(run, e.hi-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n == 0 {
			return nil
		}
		m, err := to.ReadAt(have[:n], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if m != n || !bytes.Equal(have[:n], want[:n]) {
			if _, err := to.WriteAt(want[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
	}
	return nil
}

// punch makes a hole where the file has one.
func punch(f *os.File, from, to int64) error {
	if from >= to {
		return nil
	}
	data, err := f.Seek(from, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) || err == nil && data >= to {
		return nil
	}
	if err != nil {
		return err
	}
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, from, to-from)
}
