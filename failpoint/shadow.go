//go:build failpoints

package failpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The shadow of a folder is what a power cut would leave of it for certain:
//
//	content/ID    a file's content when it was last synced
//	names.json    path below the folder → ID, as of the last sync of each
//	              folder; and the manifests of Badger, which belong to the names
//	since.jsonl   which counts a file has durable, see SyncedSince
//
// It is never ahead of the disk: it is told after each sync, before anybody acts
// upon that, of what was there when the sync began. It may lag for the moment
// of the copying, which is a cut a moment earlier. The power-cut model makes a
// folder of it and mixes in pages and names that are newer.
var (
	shadow   = os.Getenv("TALLYGATE_SHADOW")
	shadowOf = os.Getenv("TALLYGATE_SHADOW_OF")
	shadowMu sync.Mutex
	durable  index
	written  = map[string]extent{} // by ID, since the file's last sync
	listings uint64
)

// extent is the bytes from lo to below hi.
type extent struct{ lo, hi int64 }

// Names are those in a folder at one time: name → ID.
type Names struct {
	number uint64
	ids    map[string]string
}

// must ends a test run whose model cannot be kept.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("failpoint: shadow: %v", err))
	}
}

// below is a path relative to the folder, false if it is not in it.
func below(path string) (string, bool) {
	rel, err := filepath.Rel(shadowOf, path)
	return rel, err == nil && filepath.IsLocal(rel)
}

// open opens a file anew by its descriptor, whatever it is called by now. Nil
// where the file is none of the folder's.
func open(f *os.File) (*os.File, string) {
	path := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	target, err := os.Readlink(path)
	must(err)
	if _, ok := below(strings.TrimSuffix(target, " (deleted)")); !ok {
		return nil, ""
	}
	live, err := os.Open(path)
	must(err)
	id, err := openID(live)
	must(err)
	return live, id
}

func openID(f *os.File) (string, error) {
	var st unix.Statx_t
	err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &st)
	return fileID(f.Name(), st, err)
}

// Wrote tells that n bytes of a file were written at an offset. A file of which
// it is told at all must be told of completely: then a sync copies those alone.
func Wrote(f *os.File, at, n int64) {
	if shadow == "" {
		return
	}
	shadowMu.Lock()
	defer shadowMu.Unlock()
	live, id := open(f)
	if live == nil {
		return
	}
	defer live.Close()
	switch e, ok := written[id]; {
	case !ok: // and what was written before
		written[id] = extent{0, math.MaxInt64}
	case e.lo == e.hi:
		written[id] = extent{at, at + n}
	default:
		written[id] = extent{min(e.lo, at), max(e.hi, at+n)}
	}
}

// Synced tells that a file's content is durable. Nobody has written to it since
// the sync began.
func Synced(f *os.File) { SyncedTo(f, math.MaxInt64) }

// SyncedTo is Synced where others have written since, behind an offset. The file
// is no shorter than an earlier sync left it.
func SyncedTo(f *os.File, end int64) {
	if shadow == "" {
		return
	}
	shadowMu.Lock()
	defer shadowMu.Unlock()
	live, id := open(f)
	if live == nil {
		return
	}
	defer live.Close()
	e, told := written[id]
	if !told {
		e = extent{0, math.MaxInt64}
	}
	must(copyContent(live, id, extent{e.lo, min(e.hi, end)}, end))
	switch {
	case !told:
	case end < e.hi:
		written[id] = extent{max(e.lo, end), e.hi}
	default:
		written[id] = extent{}
	}
}

// ReadNames returns the names in a folder that is about to be synced.
func ReadNames(dir string) (n Names) {
	if shadow == "" {
		return n
	}
	shadowMu.Lock()
	defer shadowMu.Unlock()
	listings++
	n, err := list(dir)
	must(err)
	n.number = listings
	return n
}

// list reads the names in a folder. What others remove meanwhile is passed over.
func list(dir string) (n Names, err error) {
	n.ids = map[string]string{}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		var id string
		if id, err = FileID(filepath.Join(dir, e.Name())); errors.Is(err, fs.ErrNotExist) {
			err = nil
			continue
		}
		if err != nil {
			break
		}
		n.ids[e.Name()] = id
	}
	return n, err
}

// SyncedDir tells that the names in a folder are durable.
func SyncedDir(dir string, names Names) {
	if shadow == "" {
		return
	}
	shadowMu.Lock()
	defer shadowMu.Unlock()
	if rel, ok := relative(dir); ok && durable.set(rel, names) {
		must(durable.write())
	}
}

func relative(dir string) (string, bool) {
	abs, err := filepath.Abs(dir)
	must(err)
	return below(abs)
}

// SyncedSince tells that all that a file counted before an instant is durable.
func SyncedSince(path string, start time.Time) {
	if shadow == "" {
		return
	}
	shadowMu.Lock()
	defer shadowMu.Unlock()
	rel, ok := relative(path)
	if !ok {
		return
	}
	f, err := os.OpenFile(filepath.Join(shadow, "since.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(err)
	_, err = fmt.Fprintf(f, "{\"path\":%q,\"since\":%d}\n", rel, start.UnixNano())
	must(errors.Join(err, f.Close()))
}
