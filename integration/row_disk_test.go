package integration

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tallygate/tallygate/integration/harness"
)

// diskCaddyfile is the rig's with images, and with settings for a disk that fails.
func diskCaddyfile(t testing.TB) string {
	t.Helper()
	text := rigCaddyfile
	for _, change := range [][2]string{
		{"	tallygate {\n", "	tallygate {\n		reserve 48MiB\n		ballast {{.Vars.ballast}}\n		on_failure {{.Vars.failure}}\n"},
		{"exclude http.handlers.reverse_proxy", "exclude http.handlers.reverse_proxy admin.api"},
		{"		success search/* {", "		images search/* {\n			product header X-Product\n			picture header X-Picture\n		}\n		success search/* {"},
	} {
		if strings.Count(text, change[0]) != 1 {
			t.Fatalf("the rig's Caddyfile has %q %d times", change[0], strings.Count(text, change[0]))
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	return text
}

// loopDisk is a file system of its own, for the length of a test.
type loopDisk struct {
	t          testing.TB
	image, dir string
}

// newLoopDisk makes one of so many MiB and mounts it; nil where that is not allowed.
func newLoopDisk(t testing.TB, size int) *loopDisk {
	t.Helper()
	base := t.TempDir()
	d := &loopDisk{t: t, image: filepath.Join(base, "image"), dir: filepath.Join(base, "disk")}
	if err := errors.Join(os.WriteFile(d.image, nil, 0o600), os.Truncate(d.image, int64(size)<<20), os.Mkdir(d.dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-m", "0", d.image).CombinedOutput(); err != nil {
		t.Logf("no file system of its own: %v\n%s", err, out)
		return nil
	}
	if err := d.mount(); err != nil {
		t.Logf("no file system of its own: %v", err)
		return nil
	}
	t.Cleanup(func() {
		if err := d.unmount(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *loopDisk) mount() error { return run("mount", "-o", "loop", d.image, d.dir) }

// unmount needs all processes on it ended.
func (d *loopDisk) unmount() error { return run("umount", d.dir) }

func run(command string, arguments ...string) error {
	if out, err := exec.Command(command, arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", command, arguments, err, out)
	}
	return nil
}

// fill takes space until so many bytes are free.
func (d *loopDisk) fill(keep uint64) {
	d.t.Helper()
	filler := filepath.Join(d.dir, "filler")
	if err := os.MkdirAll(filler, 0o700); err != nil {
		d.t.Fatal(err)
	}
	for size := uint64(64 << 20); size >= 4096; {
		free := d.free()
		if free < keep+size {
			size /= 2
			continue
		}
		f, err := os.CreateTemp(filler, "")
		if err == nil {
			err = errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, int64(size)), f.Close())
		}
		if errors.Is(err, unix.ENOSPC) {
			size /= 2
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *loopDisk) free() uint64 {
	d.t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil {
		d.t.Fatal(err)
	}
	return st.Bavail * uint64(st.Bsize)
}

func (d *loopDisk) empty() {
	d.t.Helper()
	if err := os.RemoveAll(filepath.Join(d.dir, "filler")); err != nil {
		d.t.Fatal(err)
	}
}

// shutdown fails the file system at once, as when its device is gone: what it
// has acknowledged stays, and nothing more is written.
func (d *loopDisk) shutdown(flags int) error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	const ext4Shutdown = 0x8004587d // _IOR('X', 125, __u32)
	return unix.IoctlSetPointerInt(int(f.Fd()), ext4Shutdown, flags)
}

// diskTraffic is customers who call, add images and pay while the disk fails.
// Calls may be refused with 503; payments are sent, with the same idempotency
// key, until they are acknowledged.
type diskTraffic struct {
	*rig
	gate    *gate
	stop    chan struct{}
	abort   chan struct{} // ends commands that nobody acknowledges
	clients sync.WaitGroup
	once    sync.Once

	denied, full, unavailable atomic.Int64 // calls with 503; commands with 507 and 503
	paying                    atomic.Int64 // acknowledged payments

	mu      sync.Mutex
	seen    map[what]int
	unknown map[what]int
	wires   map[string]string // answer by the reference of each acknowledged payment
	tried   map[string]bool
	bad     []string
}

var diskAccounts = []string{"one", "two", "search"}

// newDiskTraffic opens the accounts of a gateway that runs.
func newDiskTraffic(r *rig) *diskTraffic {
	w := &diskTraffic{rig: r, gate: newGate(), stop: make(chan struct{}), abort: make(chan struct{}),
		seen: map[what]int{}, unknown: map[what]int{}, wires: map[string]string{}, tried: map[string]bool{}}
	for _, account := range diskAccounts {
		r.open(account, "2000.00")
	}
	r.subscribe("search", "s2500k-10")
	for _, c := range []*customer{
		{account: "one", operation: "recognition/media-tagging"},
		{account: "one", operation: "recognition/image-tagging", fault: "delay=5ms"},
		{account: "two", operation: "recognition/media-tagging", fault: "slow-body=20ms"},
		{account: "two", operation: "recognition/image-tagging", fault: "delay=2ms"},
		{account: "search", operation: "search/add", fault: "delay=30ms"},
	} {
		w.clients.Go(func() { w.call(c) })
	}
	for payer := range 2 {
		w.clients.Go(func() { w.pay(payer) })
	}
	return w
}

func (w *diskTraffic) ended() bool {
	select {
	case <-w.stop:
		return true
	case <-w.gate.way():
		return false
	}
}

// call calls until the end, whenever the gateway runs.
func (w *diskTraffic) call(c *customer) {
	client := connections()
	defer client.CloseIdleConnections()
	for n := 0; !w.ended(); n++ {
		request, err := http.NewRequest(http.MethodPost, w.URL()+rigPaths[c.operation], strings.NewReader("{}"))
		if err != nil {
			panic(err)
		}
		id := fmt.Sprintf("%s#%d", c.account, sequence.Add(1))
		request.Header = http.Header{"X-Api-Key": {"key of " + c.account}, "X-Request-Id": {id}, "X-Sample-Fault": {"canned," + c.fault},
			"X-Product": {"p"}, "X-Picture": {id}}
		response, err := client.Do(request)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(response.Body)
			response.Body.Close()
		}
		w.note(c, response, string(body), err)
		time.Sleep(2 * time.Millisecond)
	}
}

func (w *diskTraffic) note(c *customer, response *http.Response, body string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := what{c.account, c.operation}
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
	case err != nil:
		w.unknown[id]++
	case response.StatusCode == http.StatusOK:
		w.seen[id]++
	case response.StatusCode == http.StatusServiceUnavailable:
		w.denied.Add(1)
	case response.StatusCode == http.StatusTooManyRequests:
	default:
		w.bad = append(w.bad, fmt.Sprintf("%v: status %d: %s", id, response.StatusCode, body))
	}
}

// pay sends payments one after the other.
func (w *diskTraffic) pay(payer int) {
	for n := 0; !w.ended(); n++ {
		reference := fmt.Sprintf("wire %d-%d", payer, n)
		w.mu.Lock()
		w.tried[reference] = true
		w.mu.Unlock()
		for !w.acknowledged(reference) {
			select {
			case <-w.abort:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
		w.paying.Add(1)
		time.Sleep(5 * time.Millisecond)
	}
}

func (w *diskTraffic) payment(reference string) harness.Request {
	return harness.Request{Path: "/tallygate/accounts/one/topups", Header: once(reference), Body: map[string]any{"amount": "0.07", "reference": reference}}
}

func (w *diskTraffic) acknowledged(reference string) bool {
	var answer map[string]any
	err := w.API(w.payment(reference), &answer)
	w.mu.Lock()
	defer w.mu.Unlock()
	var refused *harness.Refused
	switch {
	case err == nil:
		w.wires[reference] = fmt.Sprint(answer)
		return true
	case !errors.As(err, &refused): // no answer
	case refused.Status == http.StatusInsufficientStorage:
		if w.full.Add(1); !strings.Contains(refused.Body, "MiB") || !strings.Contains(refused.Body, "enlarge the disk") {
			w.bad = append(w.bad, "a refusal that does not say what to do: "+refused.Body)
		}
	case refused.Status == http.StatusServiceUnavailable:
		w.unavailable.Add(1)
	default:
		w.bad = append(w.bad, fmt.Sprintf("%s: %v", reference, err))
	}
	return false
}

// goOn waits until calls and payments succeed again.
func (w *diskTraffic) goOn() {
	w.t.Helper()
	w.callsGoOn()
	paid := w.paying.Load()
	eventually(w.t, "payments go on", time.Minute, func() bool { return w.paying.Load() > paid+2 })
}

func (w *diskTraffic) callsGoOn() {
	w.t.Helper()
	seen := w.successes()
	eventually(w.t, "calls go on", time.Minute, func() bool { return w.successes() > seen+5 })
}

func (w *diskTraffic) successes() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, seen := range w.seen {
		n += seen
	}
	return n
}

func (w *diskTraffic) end() {
	w.once.Do(func() {
		close(w.stop)
		if w.t.Failed() {
			close(w.abort)
		}
		w.clients.Wait()
	})
}

// restart kills the gateway, or stops it, and starts it again.
func (w *diskTraffic) restart(kill bool) {
	w.t.Helper()
	if kill {
		w.Kill()
	} else if err := w.Stop(); err != nil {
		w.t.Fatal(err)
	}
	w.start()
}

// alive fails the test where the gateway has ended by itself.
func (w *diskTraffic) alive() {
	w.t.Helper()
	select {
	case <-w.Exited():
		w.t.Fatal("the gateway has ended")
	default:
	}
}

// served are the successes of the upstream.
func (w *diskTraffic) served() map[what]int {
	w.t.Helper()
	served := w.servedOf()
	return served
}

// check holds what clients saw against what is counted and paid, when all is over:
// short is how many successes may be missing from the counts (a loss that was
// promised), unmetered how many calls ran uncounted.
func (w *diskTraffic) check(r *row, short map[what]int, unmetered int) {
	w.t.Helper()
	served := w.served()
	uncounted := 0
	for _, account := range diskAccounts {
		u := w.usage(account)
		counted := u.counted()
		for operation := range rigPaths {
			id := what{account, operation}
			seen, n := w.seen[id], int(counted[operation])
			if n > served[id] {
				w.t.Errorf("%v: %d are counted, the upstream served %d", id, n, served[id])
				r.doubled += n - served[id]
			}
			if unmetered > 0 {
				uncounted += seen - n
				continue
			}
			if n < seen-short[id] {
				w.t.Errorf("%v: clients saw %d successes, %d are counted", id, seen, n)
				r.lost += seen - n
			}
			if n > seen+w.unknown[id] {
				w.t.Errorf("%v: clients saw %d successes and %d calls without an answer, %d are counted", id, seen, w.unknown[id], n)
				r.wrong++
			}
		}
		w.checkBill(r, account, u)
	}
	if unmetered > 0 && uncounted != unmetered {
		w.t.Errorf("%d calls ran that are not counted, the unmetered figure is %d", uncounted, unmetered)
		r.wrong++
	}
	w.checkImages(r, short)
	for _, text := range w.bad {
		w.t.Error(text)
		r.wrong++
	}
	(&scene{Gateway: w.Gateway, t: w.t}).verified()
	for _, word := range []string{"SIGBUS", "panic:", "fatal error:", "unexpected fault"} {
		if strings.Contains(w.Log(), word) {
			w.t.Errorf("the log has %q", word)
			r.wrong++
		}
	}
}

// checkBill: bills are counts × prices, and each acknowledged payment is there
// once, any other at most once.
func (w *diskTraffic) checkBill(r *row, account string, u usage) {
	w.t.Helper()
	st := w.statement(account, u.Month)
	st.check(w.t, rigPrices)
	if st.Usage != u.Debited || cents(w.t, u.Unsettled) != 0 {
		w.t.Errorf("%s: the statement says %s for usage, the report %s and %s to come", account, st.Usage, u.Debited, u.Unsettled)
		r.wrong++
	}
	if account != "one" {
		return
	}
	times := map[string]int{}
	for _, m := range st.Movements {
		if w.tried[m.Ref] {
			times[m.Ref]++
		}
	}
	for reference := range w.tried {
		answer, acked := w.wires[reference]
		switch n := times[reference]; {
		case n > 1:
			w.t.Errorf("%s moved money %d times", reference, n)
			r.doubled++
		case acked && n == 0:
			w.t.Errorf("%s was acknowledged and moved nothing", reference)
			r.lost++
		case acked:
			var again map[string]any
			if err := w.API(w.payment(reference), &again); err != nil || fmt.Sprint(again) != answer {
				w.t.Errorf("%s: answered with %s, and again with %v (%v)", reference, answer, again, err)
				r.wrong++
			}
		}
	}
}

// checkImages: no image that the upstream has is forgotten. One of unknown outcome
// may be held as well.
func (w *diskTraffic) checkImages(r *row, short map[what]int) {
	w.t.Helper()
	var list struct {
		Instances []struct{ Images, Uncertain int }
	}
	w.api(harness.Request{Path: "/tallygate/accounts/search"}, &list)
	if len(list.Instances) != 1 {
		w.t.Fatalf("instances %+v", list)
	}
	i, id := list.Instances[0], what{"search", "search/add"}
	if i.Images+i.Uncertain < w.seen[id]-short[id] {
		w.t.Errorf("%d images and %d uncertain; clients saw %d added", i.Images, i.Uncertain, w.seen[id])
		r.lost++
	}
	if served := w.served()[id]; i.Images > served {
		w.t.Errorf("%d images, the upstream has added %d", i.Images, served)
		r.doubled++
	}
}
