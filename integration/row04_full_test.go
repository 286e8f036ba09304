package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// TestRow04DiskFull fills the ledger's disk to the last byte under load, restarts
// the gateway meanwhile, and frees the space: nothing dies, money commands are
// refused clearly, calls are counted in what was allocated ahead, and all goes on
// by itself. In every second round there is no ballast, so that counting ends as
// well, and on_failure decides.
func TestRow04DiskFull(t *testing.T) {
	r := newRow(t, 4, "disk full", 2, 25)
	defer r.end()
	probe := newLoopDisk(t, 16)
	if probe == nil {
		r.note("no mounts here: ENOSPC by failpoints")
	}
	restarts := 0
	for round := range r.rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			d := &fullDisk{row: r, chance: r.chance.IntN(1 << 30)}
			switch {
			case probe == nil:
				d.byFailpoints(t)
			case round%2 == 0:
				d.withBallast(t)
			default:
				d.withoutBallast(t, []string{"allow", "deny"}[round/2%2])
			}
			restarts += d.restarts
		})
		r.t = t
	}
	r.note("%d restarts on a full disk", restarts)
}

type fullDisk struct {
	*row
	chance   int
	restarts int
}

// rigOn prepares a gateway whose ledger is on a disk of its own.
func rigOn(t *testing.T, disk *loopDisk, config harness.Config, vars map[string]any) *rig {
	t.Helper()
	config.Caddyfile = diskCaddyfile(t)
	r := newRig(t, config, vars)
	ledger := filepath.Join(disk.dir, "ledger")
	if err := os.MkdirAll(ledger, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(ledger, filepath.Join(r.Dir, "ledger")); err != nil {
		t.Fatal(err)
	}
	return r
}

// withBallast: the gateway goes on counting, through kills and stops.
func (d *fullDisk) withBallast(t *testing.T) {
	disk := newLoopDisk(t, 480)
	r := rigOn(t, disk, harness.Config{}, map[string]any{"flush": "1s", "ballast": "128MiB", "failure": "deny"})
	r.start()
	w := newDiskTraffic(r)
	defer w.end()
	w.gate.open()
	w.goOn()
	eventually(t, "the ballast is filled", time.Minute, func() bool {
		info, err := os.Stat(filepath.Join(disk.dir, "ledger", "ballast"))
		return err == nil && info.Size() == 128<<20
	})
	fillUnderLoad(w, disk)
	for n := range 4 {
		w.callsGoOn()
		time.Sleep(time.Duration(200+d.row.chance.IntN(800)) * time.Millisecond)
		w.alive()
		w.restart(n%2 == 0)
		d.restarts++
	}
	w.callsGoOn()
	denied := w.denied.Load()
	w.alive()
	disk.empty()
	d.recovered(w, 0)
	eventually(t, "the ballast is filled again", time.Minute, func() bool {
		info, err := os.Stat(filepath.Join(disk.dir, "ledger", "ballast"))
		return err == nil && info.Size() == 128<<20
	})
	t.Logf("%d calls seen, %d denied by then; payments: %d acknowledged, %d refused with 507, %d with 503",
		w.successes(), denied, w.paying.Load(), w.full.Load(), w.unavailable.Load())
}

// fillUnderLoad fills the disk, at first below the reserve: nobody promises to
// stand a disk that others fill faster than the reserve per second.
func fillUnderLoad(w *diskTraffic, disk *loopDisk) {
	w.t.Helper()
	disk.fill(40 << 20)
	refused := w.full.Load()
	eventually(w.t, "payments are refused with 507", time.Minute, func() bool { return w.full.Load() > refused+2 })
	disk.fill(0)
}

// withoutBallast: counting ends with the period that was prepared.
func (d *fullDisk) withoutBallast(t *testing.T, failure string) {
	disk := newLoopDisk(t, 300)
	r := rigOn(t, disk, harness.Config{}, map[string]any{"flush": "1s", "ballast": "0", "failure": failure})
	r.start()
	w := newDiskTraffic(r)
	defer w.end()
	w.gate.open()
	w.goOn()
	fillUnderLoad(w, disk)
	if failure == "deny" {
		eventually(t, "calls are denied", time.Minute, func() bool { return w.denied.Load() > 20 })
	} else {
		eventually(t, "calls run unmetered", time.Minute, func() bool { return r.unmetered() > 100 })
	}
	w.alive()
	disk.empty()
	unmetered := d.recovered(w, 0)
	if (failure == "allow") != (unmetered > 0) {
		t.Errorf("on_failure %s, and %d calls ran unmetered", failure, unmetered)
	}
	t.Logf("on_failure %s: %d calls seen, %d denied, %d unmetered", failure, w.successes(), w.denied.Load(), unmetered)
}

// byFailpoints is for machines without mounts.
func (d *fullDisk) byFailpoints(t *testing.T) {
	control := filepath.Join(t.TempDir(), "orders")
	r := newRig(t, harness.Config{Caddyfile: diskCaddyfile(t), Binary: harness.FailpointBinary(t), Env: []string{"TALLYGATE_FAILPOINTS=" + control}},
		map[string]any{"flush": "1s", "ballast": "0", "failure": "deny"})
	r.start()
	w := newDiskTraffic(r)
	defer w.end()
	w.gate.open()
	w.goOn()
	orders := ""
	for _, place := range []string{"tally/create", "tally/allocate", "journal/blank", "seal/write"} {
		orders += place + " ENOSPC 1 1000000\n"
	}
	if err := os.WriteFile(control, []byte(orders), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "calls are denied", time.Minute, func() bool { return w.denied.Load() > 20 })
	w.alive()
	if err := os.Remove(control); err != nil {
		t.Fatal(err)
	}
	d.recovered(w, 0)
}

// recovered waits until all goes on by itself, and holds everything against
// everything. It returns how many calls ran unmetered.
func (d *fullDisk) recovered(w *diskTraffic, short int) int {
	w.t.Helper()
	d.row.t = w.t.(*testing.T)
	w.goOn()
	freed := time.Now()
	eventually(w.t, "settlement catches up", time.Minute, func() bool {
		var st struct {
			Settled  time.Time `json:"settled_until"`
			Problems []string
		}
		return w.API(harness.Request{Path: "/tallygate/status"}, &st) == nil && st.Settled.After(freed) && len(st.Problems) == 0
	})
	w.end()
	eventually(w.t, "all is settled", time.Minute, func() bool {
		return w.API(harness.Request{Method: http.MethodPost, Path: "/tallygate/settle"}, nil) == nil
	})
	unmetered := w.unmetered()
	if recorded := w.recordedUnmetered(); recorded != unmetered {
		w.t.Errorf("%d calls in the file of unmetered ones, the gateway says %d", recorded, unmetered)
		d.row.wrong++
	}
	w.check(d.row, nil, unmetered)
	return unmetered
}

// unmetered is how many calls ran uncounted, by the gateway's status.
func (r *rig) unmetered() int {
	var st struct{ Unmetered int }
	if r.API(harness.Request{Path: "/tallygate/status"}, &st) != nil {
		return 0
	}
	return st.Unmetered
}

// recordedUnmetered is the same by the file in the ledger's folder.
func (r *rig) recordedUnmetered() (calls int) {
	r.t.Helper()
	f, err := os.Open(filepath.Join(r.Dir, "ledger", "unmetered"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var l struct{ Calls int }
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			r.t.Fatalf("%v: %s", err, lines.Text())
		}
		calls += l.Calls
	}
	return calls
}
