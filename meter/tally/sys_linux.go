package tally

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tallygate/tallygate/failpoint"
)

func datasync(f *os.File) error {
	if err := failpoint.Fail("tally/sync"); err != nil {
		return err
	}
	err := retry(func() error { return unix.Fdatasync(int(f.Fd())) })
	if err == nil {
		failpoint.Synced(f)
	}
	failpoint.Hit("tally/synced")
	return err
}

// allocate reserves disk blocks for a range, growing the file where needed.
// The error is errors.ErrUnsupported where the file system cannot.
func allocate(f *os.File, off, n int64) error {
	err := failpoint.Fail("tally/allocate")
	if err == nil {
		err = retry(func() error { return unix.Fallocate(int(f.Fd()), 0, off, n) })
	}
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return errors.ErrUnsupported
	}
	return err
}

func mapShared(f *os.File, off int64, n int) ([]byte, error) {
	// Populated here, so that no call pays for reading; for writing see warm.
	return unix.Mmap(int(f.Fd()), off, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
}

// makeWritable lets a mapping be written to without a fault, until its pages are
// written to the disk the next time. Kernels before 5.14 cannot.
func makeWritable(mapped []byte) { _ = unix.Madvise(mapped, unix.MADV_POPULATE_WRITE) }

func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// bootID names the running boot of the machine, or is empty if unknown.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return failpoint.Boot(strings.TrimSpace(string(b)))
}

// Where fallocate, a mapping, or fdatasync promises less than on a local disk.
var weakFileSystems = map[int64]string{
	unix.BTRFS_SUPER_MAGIC:     "btrfs copies on write",
	0x2fc12fc1:                 "zfs copies on write",
	0xca451a4e:                 "bcachefs copies on write",
	unix.OVERLAYFS_SUPER_MAGIC: "overlay",
	unix.NFS_SUPER_MAGIC:       "network file system (nfs)",
	unix.CIFS_SUPER_MAGIC:      "network file system (cifs)",
	unix.SMB2_SUPER_MAGIC:      "network file system (smb)",
	unix.V9FS_MAGIC:            "network file system (9p)",
	unix.CEPH_SUPER_MAGIC:      "network file system (ceph)",
	unix.FUSE_SUPER_MAGIC:      "fuse",
	unix.TMPFS_MAGIC:           "tmpfs keeps nothing over a power loss",
}

func weakFileSystem(f *os.File) error {
	var st unix.Statfs_t
	if retry(func() error { return unix.Fstatfs(int(f.Fd()), &st) }) != nil {
		return nil
	}
	if name, ok := weakFileSystems[int64(st.Type)&0xffffffff]; ok {
		return fmt.Errorf("%s: space and syncs are not guaranteed here (%s): put the tallies on a local disk", f.Name(), name)
	}
	return nil
}
