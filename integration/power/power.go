// Package power builds a folder as a power cut would leave it.
//
// While a gateway with failpoints runs, it keeps a shadow of its folder: what is
// durable for certain, since the disk has acknowledged it (package failpoint,
// shadow.go). The folder itself has all that was ever written. A disk that loses
// power is between the two: of the pages that are newer than the last sync, any
// may have been written back; of the names that changed since their folder was
// synced, any change may have been. Cut draws one such folder.
//
//	power.Begin(dir, shadow)               // all that is in dir is durable
//	// run a gateway with power.Env(dir, shadow); kill it
//	report, err := power.Cut(dir, shadow, out, seed)
//
// Three things no disk does are left out, or a healthy gateway would fail. A
// rename is there as a whole or not at all. A file that grew by being written to
// has no new size without the data: that holds for Badger's manifest, which
// relies on it; the gateway's own files get any size. And Badger's folder has
// the names and the manifest of its last commit, or those of the end: Badger
// syncs what it adds in the background before the manifest that names it, and
// the manifest before it removes what it no longer names; the name of a new file
// of its is kept with the content, as ext4, XFS and Btrfs do.
package power

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/tallygate/tallygate/failpoint"
)

// Env is the environment in which a gateway keeps the shadow of a folder.
func Env(dir, shadow string) []string {
	return []string{"TALLYGATE_SHADOW_OF=" + dir, "TALLYGATE_SHADOW=" + shadow}
}

// index is names.json of a shadow.
type index struct {
	Names     map[string]string // path → ID
	Manifests map[string][]byte // path → content
}

// Begin makes a new shadow of a folder: all that is in it is durable.
func Begin(dir, shadow string) error {
	if err := os.RemoveAll(shadow); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(shadow, "content"), 0o700); err != nil {
		return err
	}
	live, err := names(dir)
	if err != nil {
		return err
	}
	x := index{Names: live, Manifests: map[string][]byte{}}
	for path, id := range live {
		b, err := read(filepath.Join(dir, path))
		if errors.Is(err, errFolder) {
			continue
		}
		if err == nil {
			err = write(filepath.Join(shadow, "content", id), b)
		}
		if err != nil {
			return err
		}
		if filepath.Base(path) == manifest {
			x.Manifests[path] = b
		}
	}
	text, err := json.Marshal(x)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(shadow, "names.json"), text, 0o600)
}

// Report says what a cut is made of.
type Report struct {
	Files, Newer, Torn int // files; pages that are newer than the last sync; such of which only some sectors are
	Left               int // pages that are newer and were not written back
	Names              int // changes of names that were not synced, and happened
}

func (r Report) String() string {
	return fmt.Sprintf("%d files, %d newer pages there (%d torn) and %d not, %d unsynced changes of names there", r.Files, r.Newer, r.Torn, r.Left, r.Names)
}

// Cut makes the folder out from the folder of a gateway that was killed and its
// shadow. The same folder, shadow and seed give the same one again.
func Cut(dir, shadow, out string, seed uint64) (Report, error) {
	c := cut{dir: dir, shadow: shadow, out: out, newer: map[string]bool{}, chance: rand.New(rand.NewPCG(seed, 'P'))}
	if err := c.make(); err != nil {
		return Report{}, fmt.Errorf("power cut, seed %d: %w", seed, err)
	}
	return c.report, nil
}

type cut struct {
	dir, shadow, out string
	chance           *rand.Rand
	all              *regime // the same one for every file, if it is not nil
	live             index
	durable          index
	newer            map[string]bool // Badger's folders: as they are at the end
	report           Report
}

func (c *cut) make() (err error) {
	if c.live.Names, err = names(c.dir); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(c.shadow, "names.json"))
	if err == nil {
		err = json.Unmarshal(text, &c.durable)
	}
	if err != nil {
		return fmt.Errorf("shadow: %w", err)
	}
	if c.chance.IntN(3) == 0 {
		r := c.regime()
		c.all = &r
	}
	after := c.names()
	paths := make([]string, 0, len(after))
	for path := range after {
		paths = append(paths, path)
	}
	slices.Sort(paths) // folders come before what is in them
	if err := os.MkdirAll(c.out, 0o700); err != nil {
		return err
	}
	for _, path := range paths {
		if err := c.file(path, after[path]); err != nil {
			return err
		}
	}
	return nil
}

// names reads all names in a folder and in those below it.
func names(dir string) (map[string]string, error) {
	list := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err == nil {
			list[rel], err = failpoint.FileID(path)
		}
		return err
	})
	return list, err
}

var errFolder = errors.New("a folder")

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		err = errFolder
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// write makes a file with holes where there is nothing but zeros.
func write(path string, b []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = f.Truncate(int64(len(b)))
	for at := 0; at < len(b) && err == nil; at += pageSize {
		if p := b[at:min(at+pageSize, len(b))]; !blank(p) {
			_, err = f.WriteAt(p, int64(at))
		}
	}
	return errors.Join(err, f.Close())
}

func blank(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
