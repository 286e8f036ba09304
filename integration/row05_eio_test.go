package integration

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// faultPlaces are where a disk fails; the gateway has to go on by itself.
var faultPlaces = []string{"journal/write", "journal/sync", "journal/blank", "store/commit", "store/sync", "seal/write",
	"tally/sync", "tally/create", "tally/allocate", "intent/append"}

// TestRow05DiskFails lets the disk fail at random places while customers call, add
// images and pay: EIO and EROFS out of single calls, before and after they took
// effect, and in every fourth round a file system that is shut down under the
// gateway. What was acknowledged is there once; what was not, once at most; counts
// are exact, but for those of the last second where the file system went away.
func TestRow05DiskFails(t *testing.T) {
	r := newRow(t, 5, "disk fails", 4, 50)
	defer r.end()
	control := filepath.Join(t.TempDir(), "orders")
	g := newRig(t, harness.Config{Caddyfile: diskCaddyfile(t), Binary: harness.FailpointBinary(t), Env: []string{"TALLYGATE_FAILPOINTS=" + control}},
		map[string]any{"flush": "1s", "ballast": "0", "failure": "deny"})
	g.start()
	w := newDiskTraffic(g)
	defer w.end()
	w.gate.open()
	w.goOn()
	gone, failed := 0, 0
	for round := range r.rounds {
		if round%4 == 3 && r.fileSystemGoes(t, round) {
			gone++
			continue
		}
		failed++
		r.failAtRandom(t, control)
		time.Sleep(time.Duration(300+r.chance.IntN(900)) * time.Millisecond)
		w.alive()
		if r.chance.IntN(4) == 0 { // killed while the disk fails
			w.Kill()
		}
		if err := os.Remove(control); err != nil {
			t.Fatal(err)
		}
		if w.PID() == 0 {
			w.start()
		}
		w.goOn()
	}
	w.end()
	w.settle()
	w.check(r, nil, 0)
	r.note("%d with failing calls, %d with a file system shut down; %d payments, %d refused with 503, %d calls denied",
		failed, gone, w.paying.Load(), w.unavailable.Load(), w.denied.Load())
}

// failAtRandom orders failures at some places.
func (r *row) failAtRandom(t *testing.T, control string) {
	t.Helper()
	var orders strings.Builder
	for range 1 + r.chance.IntN(3) {
		place, first := faultPlaces[r.chance.IntN(len(faultPlaces))], 1
		if strings.HasPrefix(place, "journal/") || place == "tally/sync" { // reached often
			first += r.chance.IntN(20)
		}
		fmt.Fprintf(&orders, "%s %s %d %d\n", place, []string{"EIO", "EROFS"}[r.chance.IntN(2)], first, 1+r.chance.IntN(30))
	}
	t.Logf("the disk fails at\n%s", orders.String())
	if err := os.WriteFile(control+".new", []byte(orders.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(control+".new", control); err != nil {
		t.Fatal(err)
	}
}

// fileSystemGoes shuts a file system down under a gateway, and reports false
// where that is not to be had.
func (r *row) fileSystemGoes(t *testing.T, round int) bool {
	disk := newLoopDisk(t, 200)
	if disk == nil {
		return false
	}
	g := rigOn(t, disk, harness.Config{}, map[string]any{"flush": "1s", "ballast": "0", "failure": "deny"})
	g.start()
	w := newDiskTraffic(g)
	defer w.end()
	w.gate.open()
	w.goOn()
	time.Sleep(time.Duration(200+r.chance.IntN(1200)) * time.Millisecond)
	w.mu.Lock()
	before := maps.Clone(w.seen)
	w.mu.Unlock()
	time.Sleep(time.Second) // by now these are durable
	if err := disk.shutdown(r.chance.IntN(2)); err != nil {
		t.Logf("the file system cannot be shut down: %v", err)
		return false
	}
	refused := w.unavailable.Load()
	time.Sleep(time.Duration(200+r.chance.IntN(600)) * time.Millisecond)
	if w.unavailable.Load() == refused && w.running() {
		t.Error("payments are not refused on a file system that is gone")
		r.wrong++
	}
	w.gate.shut()
	w.Kill()
	time.Sleep(50 * time.Millisecond) // the clients learn of it
	if err := disk.unmount(); err != nil {
		t.Fatal(err)
	}
	if err := disk.mount(); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.gate.open()
	w.goOn()
	w.end()
	w.settle()
	short := map[what]int{}
	for id, n := range w.seen {
		short[id] = n - before[id]
	}
	w.check(r, short, 0)
	w.Kill()
	return true
}

// running reports whether the gateway's process has not ended by itself.
func (w *diskTraffic) running() bool {
	select {
	case <-w.Exited():
		return false
	default:
		return true
	}
}
