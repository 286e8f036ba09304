package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
	"github.com/tallygate/tallygate/integration/power"
)

// TestRow03PowerCut cuts the power while customers call, pay, add and delete
// pictures, and periods of a second are settled. After every cut the gateway
// starts without a complaint; every command that was acknowledged is answered
// again as it was; every change of images that was acknowledged is there, and
// what may have happened besides is uncertain; and every call that a client saw
// succeed before the last acknowledged sync of the counters began is counted,
// and nothing that the upstream did not serve. So no more is lost than the calls
// of one sync interval and one sync, and those in flight.
//
// Most cuts are those of package power: the files as of their acknowledged syncs,
// with newer pages and names mixed in. Where the test may mount, there follow
// cuts of a real file system.
func TestRow03PowerCut(t *testing.T) {
	r := newRow(t, 3, "power cut", 4, 200)
	defer r.end()
	modelled := newPowered(r, newModel(t))
	for round := range r.rounds {
		modelled.round(round)
	}
	modelled.finish()

	disk, why := newExt4(t, rand.New(rand.NewPCG(r.seed, 4)))
	if disk == nil {
		r.note("%d cuts by the model, none of a real file system: %s", r.rounds, why)
		return
	}
	real := newPowered(r, disk)
	cuts := max(1, r.rounds/4)
	for round := range cuts {
		real.round(round)
	}
	real.finish()
	r.note("%d cuts by the model, %d of ext4", r.rounds, cuts)
	r.note("%d calls lost of %d seen to succeed, %d payments, %d changes of images; %d images uncertain", modelled.gone+real.gone,
		modelled.successes()+real.successes(), len(modelled.payments.done)+len(real.payments.done), modelled.images.done+real.images.done, modelled.uncertain+real.uncertain)
	r.note("at a cut, the counters' last acknowledged sync had begun at most %s before", max(modelled.oldest, real.oldest).Round(time.Millisecond))
	r.rounds += cuts
}

// powerDisk is where a gateway keeps what must outlast a power cut.
type powerDisk interface {
	folder() string
	shadow() string // what the gateway keeps of the folder
	load()          // the disk may be busy from now on
	off()           // no write reaches the disk any more; the gateway runs
	cut(seed uint64) error
}

// model is the power-cut model of package power.
type model struct{ at, shade string }

func newModel(t *testing.T) *model {
	m := &model{filepath.Join(t.TempDir(), "disk"), filepath.Join(t.TempDir(), "shadow")}
	if err := os.Mkdir(m.at, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := power.Begin(m.at, m.shade); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *model) folder() string { return m.at }
func (m *model) shadow() string { return m.shade }
func (m *model) load()          {}
func (m *model) off()           {}

// cut puts the folder that a cut leaves in the place of the one that was.
// TALLYGATE_KEEP=DIR keeps the folder and its shadow as they were before.
func (m *model) cut(seed uint64) error {
	out, old := m.at+".cut", m.at+".old"
	if keep := os.Getenv("TALLYGATE_KEEP"); keep != "" {
		for from, to := range map[string]string{m.at: "disk", m.shade: "shadow"} {
			to = filepath.Join(keep, to)
			if err := os.RemoveAll(to); err != nil {
				return err
			}
			if err := os.CopyFS(to, os.DirFS(from)); err != nil {
				return err
			}
		}
	}
	if _, err := power.Cut(m.at, m.shade, out, seed); err != nil {
		return err
	}
	if err := os.Rename(m.at, old); err != nil {
		return err
	}
	if err := os.Rename(out, m.at); err != nil {
		return err
	}
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	return power.Begin(m.at, m.shade)
}

// cutPlaces are where a cut may find the gateway, and at which of the hits to come.
var cutPlaces = map[string]int{
	"journal/written": 60, "journal/synced": 60, "anchor/written": 2, "anchor/renamed": 2,
	"tally/synced": 8, "tally/creating": 1, "tally/created": 1, "tally/removing": 3, "tally/resuming": 2,
	"seal/draining": 1, "seal/closed": 1, "seal/written": 1, "seal/renamed": 1,
	"settle/sealed": 1, "settle/journalled": 1, "settle/block": 1, "settle/applied": 1, "settle/recorded": 1, "settle/settled": 1,
	"fold/collected": 2, "fold/committed": 3, "store/committed": 3, "due/journalled": 1,
	"command/judged": 60, "command/journalled": 60, "command/taken": 60, "call/counted": 300,
	"images/changing": 40, "images/changed": 40, "intent/synced": 40,
}

// round lets traffic run, cuts the power, and holds against each other what is
// there and what was acknowledged.
func (w *powered) round(number int) {
	w.row.t.Helper()
	w.disk.load()
	w.dark.Store(false)
	if number%3 == 1 { // counters that outlive cuts, and such that do not
		w.must(w.with(map[string]any{"flush": pick(w.row.chance, "1s", "5s", "1h")}))
	}
	w.gate.open()
	w.images.gate.open()
	began := time.Now()
	wait := time.Duration(200+w.row.chance.IntN(1300)) * time.Millisecond
	at := "at a random time"
	if w.row.chance.IntN(2) == 0 {
		at = w.order()
		defer w.orderNothing()
	}
	select {
	case <-w.Exited():
	case <-time.After(wait):
	}
	if rest := number%2 == 1; rest { // then no change of images is without an answer
		w.images.gate.shut()
		eventually(w.t, "no picture is in flight", 20*time.Second, func() bool { return w.images.running.Load() == 0 })
	}
	cutAt := time.Now()
	w.ran += cutAt.Sub(began)
	w.dark.Store(true)
	w.disk.off()
	w.Kill()
	w.rest()
	covered := w.covered(cutAt)
	w.boot()
	if number%3 == 2 { // and once more while it recovers
		at += ", and in the recovery"
		if err := w.Interrupt(time.Duration(w.row.chance.IntN(300)) * time.Millisecond); err != nil {
			w.wrong("%s: the recovery ended: %v", at, err)
		}
		w.disk.off()
		w.Kill()
		w.boot()
	}
	when := fmt.Sprintf("round %d, cut %s", number+1, at)
	before := len(w.Log())
	if err := w.Start(); err != nil {
		w.t.Fatalf("%s: %v", when, err)
	}
	for line := range strings.Lines(w.Log()[before:]) {
		if strings.Contains(line, `"level":"error"`) || strings.Contains(line, "panic") {
			w.wrong("%s: the start complains: %s", when, line)
		}
	}
	w.check(when, covered)
}

// order lets the next hit of some place, or one of those after, be the last.
func (w *powered) order() string {
	place := pick(w.row.chance, sortedKeys(cutPlaces)...)
	hit := 1 + w.row.chance.IntN(cutPlaces[place])
	w.must(os.WriteFile(w.control, fmt.Appendf(nil, "%s kill %d\n", place, hit), 0o600))
	return fmt.Sprintf("at hit %d of %s", hit, place)
}

func (w *powered) orderNothing() { w.must(os.RemoveAll(w.control)) }

// boot makes the disk what the cut has left, for another boot of the machine.
func (w *powered) boot() {
	w.t.Helper()
	w.orderNothing()
	seed := w.row.chance.Uint64()
	w.must(w.disk.cut(seed))
	w.boots++
	w.Gateway = w.Gateway.WithEnv(fmt.Sprint("TALLYGATE_BOOT=boot-", w.boots))
}

func newPowered(r *row, disk powerDisk) *powered {
	t := r.t
	w := &powered{row: r, disk: disk, control: filepath.Join(t.TempDir(), "failpoints"), base: map[what]int{}, servedBefore: map[what]int{}}
	g := newRig(t, harness.Config{Binary: harness.FailpointBinary(t), Env: append(power.Env(disk.folder(), disk.shadow()),
		"TALLYGATE_BOOT=boot-0", "TALLYGATE_FAILPOINTS="+w.control)}, map[string]any{"flush": "1s", "disk": disk.folder() + "/", "anchor": "apart/anchor.json", "images": heldImages})
	w.killTraffic = &killTraffic{rig: g, gate: newGate(), stop: make(chan struct{}), abort: make(chan struct{}),
		seen: map[what]int{}, unknown: map[what]int{}, times: map[what][]time.Time{}}
	w.images = &powerImages{killTraffic: w.killTraffic, gate: newGate()}
	t.Cleanup(func() { w.end(); w.Kill() })
	w.start()
	w.traffic()
	return w
}
