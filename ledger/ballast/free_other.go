//go:build !(linux || darwin || freebsd)

package ballast

import "math"

// Free is unknown here: there is always room.
func Free(string) (uint64, error) { return math.MaxUint64, nil }

// Disk is unknown here: there is always room.
func Disk(string) (free, size uint64, err error) { return math.MaxUint64, math.MaxUint64, nil }
