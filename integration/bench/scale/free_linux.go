package scale

import "golang.org/x/sys/unix"

// free is how many bytes a folder's file system has left.
func free(dir string) uint64 {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0
	}
	return fs.Bavail * uint64(fs.Bsize)
}
