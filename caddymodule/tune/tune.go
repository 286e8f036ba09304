// Package tune sets the garbage collector for a proxy: it collects rarely while
// memory is plenty, and in earnest near the limit. A metered call then costs
// less than an unmetered one at Go's defaults.
//
// GOGC and GOMEMLIMIT in the environment come first.
package tune

import (
	"os"
	"runtime/debug"
)

const (
	gcPercent   = 1000
	memoryLimit = 1 << 30 // bytes, soft
)

func init() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
		os.Setenv("GOMEMLIMIT", "1GiB") // or Caddy raises it to most of the machine's memory
	}
}
