package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/ballast"
)

// TestBelowTheReserve: commands are refused and say what to do, settlement waits,
// calls are counted, and all goes on when there is room.
func TestBelowTheReserve(t *testing.T) {
	c := testConfig(t, t.TempDir())
	var full atomic.Bool
	c.Reserve = MinReserve
	c.free = func(dir string) (uint64, error) {
		if full.Load() {
			return MinReserve, nil // the ledger could still be written, by its own measure
		}
		return ballast.Free(dir)
	}
	s := open(t, c)
	k := customer(t, s, "acme", "10.00")
	full.Store(true)
	topUp := billing.Request{Key: "k", Account: "acme", Command: &account.TopUp{Amount: "1.00", Reference: "r"}}
	_, err := s.engine.Do(topUp)
	if !errors.Is(err, ledger.ErrNoSpace) || !strings.Contains(err.Error(), c.Dir) || !strings.Contains(err.Error(), "enlarge the disk") {
		t.Errorf("a command below the reserve: %v", err)
	}
	if n, reason := call(t, s, k, "recognition/image-tagging", 20); n != 20 {
		t.Errorf("%d calls counted, %s", n, reason)
	}
	if err := s.Advance(context.Background(), s.Now().Add(time.Hour)); !errors.Is(err, ledger.ErrNoSpace) {
		t.Errorf("settlement below the reserve: %v", err)
	}
	if p := s.Status().Problems; len(p) != 2 || !strings.Contains(p[0], "disk below the reserve") {
		t.Errorf("problems %q", p)
	}
	full.Store(false)
	if err := s.Advance(context.Background(), s.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.engine.Do(topUp); err != nil {
		t.Fatal(err)
	}
	if b := balance(t, s, "acme"); b != "10.85" {
		t.Errorf("balance %s, want 10.85", b)
	}
	if p := s.Status().Problems; len(p) != 0 {
		t.Errorf("problems %q", p)
	}
}

// TestStartsOnAFullDisk: twenty processes on a disk without a free byte serve and
// count, whether they are stopped or killed, and leave the ballast what it was.
func TestStartsOnAFullDisk(t *testing.T) {
	if dir := os.Getenv("TALLYGATE_FULL_DISK"); dir != "" {
		serveOnAFullDisk(t, dir, os.Getenv("TALLYGATE_FULL_DISK_END") == "kill")
		return
	}
	dir := smallDisk(t, 420)
	c := fullDiskConfig(t, dir)
	s := openOnce(t, c)
	k := customer(t, s, "acme", "10.00")
	counted, _ := call(t, s, k, "recognition/image-tagging", 20)
	s.guard.tick()
	if s.guard.ballast.Size() != DefaultBallast {
		t.Fatalf("ballast of %d", s.guard.ballast.Size())
	}
	shut(t, s)
	fillUp(t, dir)
	for start := range 20 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestStartsOnAFullDisk$", "-test.v")
		cmd.Env = append(os.Environ(), "TALLYGATE_FULL_DISK="+dir, "TALLYGATE_FULL_DISK_END="+[]string{"kill", "stop"}[start%2])
		out, err := cmd.CombinedOutput()
		if !strings.Contains(string(out), "five calls are counted") || start%2 == 1 && err != nil {
			t.Fatalf("start %d: %v\n%s", start, err, out)
		}
		counted += 5
	}
	info, err := os.Stat(filepath.Join(c.Dir, "ballast"))
	if err != nil || info.Size() < DefaultBallast-16<<20 {
		t.Errorf("ballast %d of %d after 20 starts, %v", info.Size(), DefaultBallast, err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "filler")); err != nil {
		t.Fatal(err)
	}
	s = openOnce(t, c)
	if _, err := s.SettleNow(context.Background()); err != nil {
		t.Fatal(err)
	}
	a, err := s.engine.Account("acme")
	if err != nil {
		t.Fatal(err)
	}
	var calls uint64
	for _, u := range a.Usage {
		calls += u.Successful
	}
	if calls != uint64(counted) {
		t.Errorf("%d calls in the ledger, %d were counted", calls, counted)
	}
	shut(t, s)
}

func fullDiskConfig(t *testing.T, dir string) Config {
	c := testConfig(t, filepath.Join(dir, "ledger"))
	c.Test, c.TestStart, c.SyncInterval = false, time.Time{}, 0
	c.Reserve, c.Ballast = 64<<20, DefaultBallast
	return c
}

// serveOnAFullDisk is one of the processes.
func serveOnAFullDisk(t *testing.T, dir string, kill bool) {
	s, err := Open(fullDiskConfig(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	if n, reason := call(t, s, find(t, s, "acme"), "recognition/image-tagging", 5); n != 5 {
		t.Fatalf("%d calls counted, %s", n, reason)
	}
	topUp := billing.Request{Account: "acme", Command: &account.TopUp{Amount: "1.00", Reference: "r"}}
	if _, err := s.engine.Do(topUp); !errors.Is(err, ledger.ErrNoSpace) {
		t.Fatalf("a command: %v", err)
	}
	s.guard.mu.Lock()
	s.guard.opened = time.Now().Add(-time.Minute)
	s.guard.mu.Unlock()
	s.guard.tick()
	fmt.Println("five calls are counted")
	if kill {
		if err := unix.Kill(os.Getpid(), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	shut(t, s)
}

// TestUnmeteredCallsAreRecorded in a file that takes lines on a full disk, too.
func TestUnmeteredCallsAreRecorded(t *testing.T) {
	dir := smallDisk(t, 32)
	u := openUnmetered(filepath.Join(dir, "unmetered"), testLogger(t))
	var told uint64
	u.tell = func(calls uint64, _ error) { told += calls }
	u.label = func(n uint16) string { return fmt.Sprint("operation ", n) }
	fillUp(t, dir)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() { u.run(done); close(ended) }()
	for range 100 {
		u.note(account.Line{Account: 7, Operation: 1, Kind: account.PayPerUse}, errors.New("no counters"))
		u.note(account.Line{Account: 8, Operation: 2, Kind: account.Free}, errors.New("no counters"))
	}
	close(done)
	<-ended
	if err := u.close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(u.path)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[uint32]uint64{}
	for line := range strings.Lines(string(text)) {
		var l unmeteredLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		calls[l.Account] += l.Calls
	}
	if calls[7] != 100 || calls[8] != 100 || told != 200 {
		t.Errorf("recorded %v, told of %d", calls, told)
	}
}

// openOnce is open without the shutting at the end.
func openOnce(t *testing.T, c Config) *Service {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// smallDisk mounts a file system of its own, of so many MiB, for the length of the
// test. Where that is not allowed the test is skipped.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	base := t.TempDir()
	image, dir := filepath.Join(base, "image"), filepath.Join(base, "disk")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, int64(size)<<20), os.Mkdir(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-m", "0", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no disk of its own here: %v: %v\n%s", command, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	return dir
}

// fillUp leaves no byte free.
func fillUp(t *testing.T, dir string) {
	t.Helper()
	filler := filepath.Join(dir, "filler")
	if err := os.MkdirAll(filler, 0o700); err != nil {
		t.Fatal(err)
	}
	for size, n := int64(64<<20), 0; size >= 4096; n++ {
		f, err := os.Create(filepath.Join(filler, fmt.Sprint(n)))
		if err != nil {
			break
		}
		err = unix.Fallocate(int(f.Fd()), 0, 0, size)
		f.Close()
		if err != nil {
			os.Remove(f.Name())
			size /= 2
		}
	}
	if free, err := ballast.Free(dir); err != nil || free > 64<<10 {
		t.Fatalf("%d bytes are still free, %v", free, err)
	}
}

// TestReserveAndBallastAreFixed while the gateway runs; on_failure is not.
func TestReserveAndBallastAreFixed(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	for name, change := range map[string]func(*Config){
		"reserve": func(c *Config) { c.Reserve = MinReserve },
		"ballast": func(c *Config) { c.Ballast = DefaultBallast },
	} {
		other := c
		change(&other)
		if err := s.Fits(other); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "restart") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.LetThrough = true
	if err := s.Fits(c); err != nil {
		t.Error(err)
	}
}

// TestTinyDisk: where reserve and ballast do not fit, that is said at the start.
func TestTinyDisk(t *testing.T) {
	c := testConfig(t, t.TempDir())
	c.Reserve, c.Ballast = 1<<60, DefaultBallast
	var log strings.Builder
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	g := openGuard(c)
	defer g.ballast.Close()
	if !strings.Contains(log.String(), "too small for reserve and ballast") {
		t.Errorf("the log says %q", log.String())
	}
	if g.tick(); g.ballast.Size() != 0 {
		t.Errorf("a ballast of %d was taken from a disk without room", g.ballast.Size())
	}
}
