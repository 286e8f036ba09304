package journal

import (
	"errors"
	"fmt"
	"os"

	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/failpoint"
)

// disk is every way in which the journal changes the disk, as functions, so
// that tests can make each of them fail or watch their order.
type disk struct {
	write   func(f *os.File, b []byte, offset int64) error
	sync    func(f *os.File) error // data, and the metadata needed to read it
	rename  func(from, to string) error
	syncDir func(dir string) error
	blank   func(path string, size int64) (*os.File, error)
}

var realDisk = disk{
	write:   writeAt,
	sync:    syncFile,
	rename:  os.Rename,
	syncDir: durable.SyncDir,
	blank:   writeBlank,
}

// failing is the disk with the faults of a test.
func (d disk) failing(fault func(place string) error) disk {
	if fault == nil {
		return d
	}
	around := func(before, after string, do func() error) error {
		if err := fault(before); err != nil {
			return err
		}
		if err := do(); err != nil {
			return err
		}
		return fault(after)
	}
	write, sync := d.write, d.sync
	d.write = func(f *os.File, b []byte, offset int64) error {
		return around("write", "written", func() error { return write(f, b, offset) })
	}
	d.sync = func(f *os.File) error {
		return around("sync", "synced", func() error { return sync(f) })
	}
	return d
}

func writeAt(f *os.File, b []byte, offset int64) error {
	if err := failpoint.Fail("journal/write"); err != nil {
		return err
	}
	_, err := f.WriteAt(b, offset)
	failpoint.Wrote(f, offset, int64(len(b)))
	failpoint.Hit("journal/written")
	return err
}

func syncFile(f *os.File) error {
	if err := failpoint.Fail("journal/sync"); err != nil {
		return err
	}
	err := fdatasync(f)
	if err == nil {
		failpoint.Synced(f)
	}
	failpoint.Hit("journal/synced")
	return err
}

// writeBlank makes a durable file of zeros. They are really written, since an
// extent that is only allocated costs a metadata change at its first write.
func writeBlank(path string, size int64) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("prepare segment: %w", err)
	}
	if err := failpoint.Fail("journal/blank"); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare segment: %w", err), f.Close(), os.Remove(path))
	}
	zeros := make([]byte, min(size, 1<<20))
	for at := int64(0); at < size && err == nil; at += int64(len(zeros)) {
		_, err = f.WriteAt(zeros[:min(size-at, int64(len(zeros)))], at)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare segment: %w", err), f.Close(), os.Remove(path))
	}
	failpoint.Synced(f)
	return f, nil
}
