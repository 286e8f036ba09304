package integration

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/tallygate/tallygate/integration/power"
)

// ext4 is a real file system in a file. A cut shuts it down without flushing its
// log, as xfstests do; mounting it again replays what had been logged.
type ext4 struct {
	t                *testing.T
	image, at, shade string
	chance           *rand.Rand
	stop             chan struct{} // ends the write-back
	writers          sync.WaitGroup
}

const ext4Size = 512 << 20

// newExt4 makes and mounts one; nil, and why, where that is not allowed.
func newExt4(t *testing.T, chance *rand.Rand) (*ext4, string) {
	t.Helper()
	dir := t.TempDir()
	d := &ext4{t: t, image: filepath.Join(dir, "image"), at: filepath.Join(dir, "disk"), shade: filepath.Join(dir, "shadow"), chance: chance}
	if os.Getuid() != 0 {
		return nil, "only root may mount"
	}
	if err := errors.Join(os.WriteFile(d.image, nil, 0o600), os.Truncate(d.image, ext4Size), os.Mkdir(d.at, 0o700)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", d.image).CombinedOutput(); err != nil {
		return nil, fmt.Sprintf("mkfs.ext4: %v %s", err, out)
	}
	if err := d.guard(); err != nil {
		t.Fatal(err)
	}
	if err := d.mount(); err != nil {
		return nil, err.Error()
	}
	if err := d.godown(); err != nil {
		return nil, fmt.Sprintf("ext4 cannot be shut down: %v", err)
	}
	if err := errors.Join(d.unmount(), d.mount(), power.Begin(d.at, d.shade)); err != nil {
		t.Fatal(err)
	}
	return d, ""
}

// guard unmounts however the test ends: a process that waits for its end.
func (d *ext4) guard() error {
	cmd := exec.Command("sh", "-c", `read line; umount -l "$0" 2>/dev/null; true`, d.at)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	d.t.Cleanup(func() {
		d.still()
		d.unmount() // fails where it is not mounted
		in.Close()
		cmd.Wait()
	})
	return nil
}

func (d *ext4) folder() string { return d.at }
func (d *ext4) shadow() string { return d.shade }

func (d *ext4) mount() error {
	options := pick(d.chance, "loop", "loop,data=writeback", "loop,noauto_da_alloc")
	if out, err := exec.Command("mount", "-o", options, d.image, d.at).CombinedOutput(); err != nil {
		return fmt.Errorf("mount: %w: %s", err, out)
	}
	return nil
}

func (d *ext4) unmount() error {
	if out, err := exec.Command("umount", d.at).CombinedOutput(); err != nil {
		return fmt.Errorf("umount: %w: %s", err, out)
	}
	return nil
}

// godown shuts the file system down: nothing is written any more, not even its log.
func (d *ext4) godown() error {
	const (
		shutdown   = 0x8004587d // _IOR('X', 125, uint32)
		noLogFlush = uint32(2)
	)
	f, err := os.Open(d.at)
	if err != nil {
		return err
	}
	defer f.Close()
	how := noLogFlush
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&how))); errno != 0 {
		return errno
	}
	return nil
}

// load writes back some of what is dirty, as the kernel does at any time.
func (d *ext4) load() {
	d.stop = make(chan struct{})
	chance := rand.New(rand.NewPCG(d.chance.Uint64(), 0))
	d.writers.Go(func() {
		for {
			select {
			case <-d.stop:
				return
			case <-time.After(time.Duration(chance.IntN(20)) * time.Millisecond):
				d.writeBack(chance)
			}
		}
	})
}

func (d *ext4) still() {
	if d.stop != nil {
		close(d.stop)
		d.writers.Wait()
		d.stop = nil
	}
}

// writeBack starts to write a range of some file, or now and then all that is dirty.
func (d *ext4) writeBack(chance *rand.Rand) {
	var files []string
	filepath.WalkDir(d.at, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files = append(files, path)
		}
		return nil // what was removed meanwhile is passed over
	})
	if len(files) == 0 {
		return
	}
	f, err := os.OpenFile(files[chance.IntN(len(files))], os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if chance.IntN(50) == 0 {
		exec.Command("sync", "-f", f.Name()).Run()
		return
	}
	size, _ := f.Seek(0, io.SeekEnd)
	from := chance.Int64N(size/4096+1) * 4096
	const start = 2 // SYNC_FILE_RANGE_WRITE
	syscall.SyncFileRange(int(f.Fd()), from, 4096*(1+chance.Int64N(64)), start)
}

func (d *ext4) off() {
	d.still()
	if err := d.godown(); err != nil {
		d.t.Errorf("shutting ext4 down: %v", err)
	}
}

func (d *ext4) cut(uint64) error {
	return errors.Join(d.unmount(), d.mount(), power.Begin(d.at, d.shade))
}
