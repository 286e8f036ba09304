package service

import (
	"golang.org/x/sys/unix"

	"github.com/tallygate/tallygate/failpoint"
)

func renameExchange(a, b string) error {
	if err := failpoint.Fail("repair/exchange"); err != nil {
		return err
	}
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}
