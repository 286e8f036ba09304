//go:build !failpoints

package failpoint

import (
	"os"
	"time"
)

// Enabled tells whether failpoints are compiled in.
const Enabled = false

// Hit is a place at which tests kill the process.
func Hit(string) {}

// Fail is a place at which tests let the disk fail.
func Fail(string) error { return nil }

// Synced tells that a file's content is durable.
func Synced(*os.File) {}

// SyncedDir tells that the names in a folder are durable.
func SyncedDir(string) {}

// SyncedTree tells that a folder is durable with all that is in it.
func SyncedTree(string) {}

// Now is the wall clock.
func Now() time.Time { return time.Now() }

// Boot names the running boot of the machine.
func Boot(id string) string { return id }
