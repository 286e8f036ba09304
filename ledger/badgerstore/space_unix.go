//go:build linux || darwin || freebsd

package badgerstore

import "golang.org/x/sys/unix"

// freeSpace is how many bytes of the file system are free for this user.
func freeSpace(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return uint64(max(int64(st.Bavail), 0)) * uint64(st.Bsize), nil
}
