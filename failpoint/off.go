//go:build !failpoints

package failpoint

import (
	"os"
	"time"
)

// Enabled tells whether failpoints are compiled in.
const Enabled = false

// Names are those in a folder at one time.
type Names struct{}

// Hit is a place at which tests kill the process.
func Hit(string) {}

// Fail is a place at which tests let the disk fail.
func Fail(string) error { return nil }

// Wrote tells that n bytes of a file were written at an offset.
func Wrote(f *os.File, at, n int64) {}

// Synced tells that a file's content is durable.
func Synced(*os.File) {}

// SyncedTo tells that a file's content is durable up to an offset.
func SyncedTo(f *os.File, end int64) {}

// ReadNames returns the names in a folder that is about to be synced.
func ReadNames(dir string) Names { return Names{} }

// SyncedDir tells that the names in a folder are durable.
func SyncedDir(dir string, names Names) {}

// SyncedTree tells that a Badger folder is durable as it is.
func SyncedTree(string) {}

// SyncedSince tells that all that a file counted before an instant is durable.
func SyncedSince(path string, start time.Time) {}

// Shift is how far off the wall clock is.
func Shift() time.Duration { return 0 }

// Boot names the running boot of the machine.
func Boot(id string) string { return id }
