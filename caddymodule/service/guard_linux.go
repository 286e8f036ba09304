package service

import (
	"os"

	"golang.org/x/sys/unix"
)

// allocateAhead takes space behind the end of a file without moving the end.
func allocateAhead(f *os.File, end, n int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, end, n)
}
