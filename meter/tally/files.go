package tally

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/failpoint"
)

const (
	mapSuffix = ".tally"
	tmpSuffix = ".tally.tmp"
)

var (
	sideSuffixes = [2]string{".side0", ".side1"}
	names        = regexp.MustCompile(`^\d{8}T\d{6}Z(\.tally|\.tally\.tmp|\.side0|\.side1)$`)
)

// Create begins the tally of a period. The error is fs.ErrExist if the folder
// has one that starts at the same instant: Open that.
func Create(cfg Config, h Header) (*File, error) {
	if err := h.validate(); err != nil {
		return nil, fmt.Errorf("create tally: %w", err)
	}
	path := filepath.Join(cfg.Dir, time.Unix(h.Start, 0).UTC().Format("20060102T150405Z")+mapSuffix)
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("create tally: %w", &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist})
	}
	err := cfg.roomFor(func() error { return begin(path, h) })
	if err == nil {
		var f *File
		if f, _, err = Open(cfg, path); err == nil {
			return f, nil
		}
	}
	return nil, fmt.Errorf("create tally: %w", errors.Join(err, Remove(path))) // or it could not be created again
}

// roomFor does something that takes disk space, again as long as more of it can be
// had.
func (c Config) roomFor(do func() error) error {
	for {
		err := do()
		if !errors.Is(err, unix.ENOSPC) || c.MakeRoom == nil || !c.MakeRoom() {
			return err
		}
	}
}

// begin leaves, whenever it is killed, no tally or an empty one.
func begin(path string, h Header) error {
	var id [8]byte
	rand.Read(id[:])
	b := make([]byte, mapHeaderBytes)
	copy(b, header{Header: h, id: binary.LittleEndian.Uint64(id[:])}.encode(mapMagic))

	if err := failpoint.Fail("tally/create"); err != nil {
		return err
	}
	stem := strings.TrimSuffix(path, mapSuffix)
	for _, suffix := range sideSuffixes {
		if err := writeSynced(stem+suffix, nil); err != nil {
			return err
		}
	}
	if err := writeSynced(stem+tmpSuffix, b); err != nil {
		return err
	}
	failpoint.Hit("tally/creating")
	if err := os.Rename(stem+tmpSuffix, path); err != nil {
		return err
	}
	failpoint.Hit("tally/created")
	return durable.SyncDir(filepath.Dir(path))
}

func writeSynced(path string, b []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync()); err == nil {
		failpoint.Synced(f)
	}
	return errors.Join(err, f.Close())
}

// List returns the paths of the tallies in a folder, by the start of their periods.
func List(dir string) ([]string, error) {
	var paths []string
	err := eachFile(dir, func(stem, suffix string) error {
		if suffix == mapSuffix {
			paths = append(paths, stem+suffix)
		}
		return nil
	})
	return paths, err
}

// Blank reports whether a tally was never given a slot: its mapped file has not grown
// by a whole chunk, and its side file was not begun.
func Blank(path string) bool {
	if info, err := os.Stat(path); err != nil || info.Size() >= mapHeaderBytes+chunkBytes {
		return false
	}
	for _, suffix := range sideSuffixes {
		f, err := os.Open(strings.TrimSuffix(path, mapSuffix) + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false
		}
		fd := readSideHeader(f)
		if f.Close(); fd.present || fd.bad != nil {
			return false
		}
	}
	return true
}

// Remove deletes the files of a tally that is not open. A kill in between
// leaves the mapped file, so that the tally is still listed.
func Remove(path string) error {
	stem, ok := strings.CutSuffix(path, mapSuffix)
	if !ok {
		return fmt.Errorf("remove tally: %s does not end in %s", path, mapSuffix)
	}
	for _, suffix := range []string{sideSuffixes[0], sideSuffixes[1], mapSuffix} {
		if err := os.Remove(stem + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove tally: %w", err)
		}
		failpoint.Hit("tally/removing")
	}
	return durable.SyncDir(filepath.Dir(path))
}

// Sweep deletes what a kill during Create left. Call it while nothing in the
// folder is being created.
//
// A side file that has something in it had a mapped file, and no kill takes that
// away first. It gets an empty one, which Open fills from it.
func Sweep(dir string) error {
	return eachFile(dir, func(stem, suffix string) error {
		if suffix == mapSuffix {
			return nil
		}
		if _, err := os.Lstat(stem + mapSuffix); suffix != tmpSuffix && err == nil {
			return nil
		}
		if info, err := os.Lstat(stem + suffix); suffix != tmpSuffix && err == nil && info.Size() > 0 {
			return writeSynced(stem+mapSuffix, nil)
		}
		return os.Remove(stem + suffix)
	})
}

// eachFile visits the files of tallies in a folder, sorted by name.
func eachFile(dir string, visit func(stem, suffix string) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list tallies: %w", err)
	}
	for _, e := range entries {
		m := names.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		stem := filepath.Join(dir, strings.TrimSuffix(e.Name(), m[1]))
		if err := visit(stem, m[1]); err != nil {
			return fmt.Errorf("list tallies: %w", err)
		}
	}
	return nil
}

// lock keeps a second process from counting into the same file.
func lock(f *os.File) error {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("lock: %w (is another gateway using this folder?)", err)
	}
	return nil
}

// unlock does not wait for the last copy of the descriptor to be closed: a
// child process being started has one for a moment.
func unlock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) }
