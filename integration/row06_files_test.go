package integration

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// row6Files are the files of a gateway's data, by their path below its folder.
type row6Files map[string][]byte

// readRow6 reads everything that a gateway keeps. LOCK files have nothing in
// them that matters.
func readRow6(t *testing.T, dir string) row6Files {
	t.Helper()
	files := row6Files{}
	err := filepath.WalkDir(filepath.Join(dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "LOCK" {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err == nil {
			files[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// written is how much of a file is not the zeros behind what was written.
func (f row6Files) written(name string) int { return len(bytes.TrimRight(f[name], "\x00")) }

func (f row6Files) write(dir string) error {
	for name, content := range f {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, content[:f.written(name)], 0o600); err != nil {
			return err
		}
		if err := os.Truncate(path, int64(len(content))); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(dir, "data", "ledger", "usage"), 0o700)
}

// row6Damage is what happens to one file.
type row6Damage struct {
	name string
	kind row6Kind
	at   int
	bit  uint
}

type row6Kind string

const (
	flipped row6Kind = "flipped"
	cut     row6Kind = "cut"
	removed row6Kind = "removed"
)

func (d row6Damage) String() string {
	switch d.kind {
	case flipped:
		return fmt.Sprintf("%s: bit %d at %d flipped", d.name, d.bit, d.at)
	case cut:
		return fmt.Sprintf("%s: cut at %d", d.name, d.at)
	}
	return d.name + ": removed"
}

// flip chooses a file, and a byte of it, seldom one behind what was written.
func (f row6Files) flip(r *row) row6Damage {
	names := slices.Sorted(maps.Keys(f))
	names = slices.DeleteFunc(names, func(name string) bool { return len(f[name]) == 0 })
	d := row6Damage{name: names[r.chance.IntN(len(names))], kind: flipped, bit: uint(r.chance.IntN(8))}
	if r.chance.IntN(2) == 0 {
		d.at = f.telling(r, d.name)
		return d
	}
	size := max(1, f.written(d.name))
	if r.chance.IntN(10) == 0 {
		size = len(f[d.name])
	}
	d.at = r.chance.IntN(size)
	return d
}

// flipIn is flip for the files whose names have one of some parts, in bytes that tell
// something.
func (f row6Files) flipIn(r *row, parts []string) row6Damage {
	names := slices.Sorted(maps.Keys(f))
	names = slices.DeleteFunc(names, func(name string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(name, part) })
	})
	name := names[r.chance.IntN(len(names))]
	return row6Damage{name: name, kind: flipped, bit: uint(r.chance.IntN(8)), at: f.telling(r, name)}
}

// telling is the place of a byte that is not zero, where there is one.
func (f row6Files) telling(r *row, name string) int {
	var places []int
	for at, b := range f[name] {
		if b != 0 {
			places = append(places, at)
		}
	}
	if len(places) == 0 {
		return 0
	}
	return places[r.chance.IntN(len(places))]
}

// cutsAndRemovals are for every file: cut at three places, and removed.
func (f row6Files) cutsAndRemovals() (all []row6Damage) {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		all = append(all, row6Damage{name: name, kind: removed})
		size := f.written(name)
		for _, at := range []int{0, size / 2, size - 1} {
			if at >= 0 && at < len(f[name]) {
				all = append(all, row6Damage{name: name, kind: cut, at: at})
			}
		}
	}
	return all
}

// apply gives a copy with the damage done.
func (d row6Damage) apply(f row6Files) (row6Files, error) {
	damaged := maps.Clone(f)
	switch d.kind {
	case removed:
		delete(damaged, d.name)
	case cut:
		damaged[d.name] = f[d.name][:d.at]
	case flipped:
		damaged[d.name] = slices.Clone(f[d.name])
		damaged[d.name][d.at] ^= 1 << d.bit
	default:
		return nil, fmt.Errorf("no damage %q", d.kind)
	}
	return damaged, nil
}

// has reports whether the name of a file has a part.
func (f row6Files) has(part string) bool {
	for name := range f {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
