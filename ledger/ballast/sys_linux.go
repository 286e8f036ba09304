package ballast

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/tallygate/tallygate/failpoint"
)

// allocate makes a file longer by bytes that are really there.
func allocate(f *os.File, at, n int64) error {
	if err := failpoint.Fail("ballast/allocate"); err != nil {
		return err
	}
	err := unix.Fallocate(int(f.Fd()), 0, at, n)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return zeros(f, at, n)
	}
	return err
}
