//go:build linux || darwin || freebsd

package ballast

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Free is how many bytes of the disk of a file or folder are free for this user.
func Free(path string) (uint64, error) {
	free, _, err := Disk(path)
	return free, err
}

// Disk is how many bytes of the disk of a file or folder are free for this user,
// and how many it has.
func Disk(path string) (free, size uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, fmt.Errorf("free space of %s: %w", path, err)
	}
	return uint64(max(int64(st.Bavail), 0)) * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), nil
}
