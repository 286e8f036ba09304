package failpoint

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// FileID names a file or a folder for as long as it exists, whatever it is
// called: by its inode and its time of birth, since inodes are used again.
func FileID(path string) (string, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &st)
	return fileID(path, st, err)
}

func fileID(path string, st unix.Statx_t, err error) (string, error) {
	if err == nil && st.Mask&unix.STATX_BTIME == 0 {
		err = errors.New("the file system keeps no times of birth")
	}
	if err != nil {
		return "", &fs.PathError{Op: "statx", Path: path, Err: err}
	}
	return fmt.Sprintf("%d-%d.%09d", st.Ino, st.Btime.Sec, st.Btime.Nsec), nil
}
