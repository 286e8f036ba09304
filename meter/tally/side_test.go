package tally

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

// loseMapped makes the mapped file what it was before anything was counted, as
// a power loss may, and resumes on another boot of the machine.
func loseMapped(t testing.TB, f *File) (*File, Report) {
	t.Helper()
	f.crash()
	if err := os.Truncate(f.path, mapHeaderBytes); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, Config{boot: "another", SyncInterval: -1}, f.path)
}

func TestHalvesSwap(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: -1})
	const slots = 3000
	for i := range uint32(slots) {
		mustSlot(t, f, account.Line{Account: i})
	}
	first := f.side.header.generation
	var syncs int
	for f.side.header.generation < first+3 {
		for n := range uint32(slots) {
			f.Add(n)
		}
		mustSync(t, f)
		syncs++
	}
	if syncs < 30 {
		t.Errorf("three swaps after %d syncs: a half holds too little", syncs)
	}
	f, rep := loseMapped(t, f)
	for n := range uint32(slots) {
		if got := f.Load(n); got != uint64(syncs) {
			t.Fatalf("slot %d: %d calls, want %d", n, got, syncs)
		}
	}
	if rep.PowerLosses != 1 || rep.LowerBound() || rep.Faults != nil {
		t.Errorf("report %+v", rep)
	}
}

// syncedSteps syncs three times and returns where each sync's batch begins.
func syncedSteps(t *testing.T, f *File) (n uint32, starts []int64) {
	t.Helper()
	n = mustSlot(t, f, payg)
	for range 3 {
		starts = append(starts, f.side.end)
		f.Add(n)
		mustSync(t, f)
	}
	return n, append(starts, f.side.end)
}

func TestTornBatchIsIgnored(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: -1})
	n, at := syncedSteps(t, f)
	flip(t, f.side.halves[f.side.active].file.Name(), at[2]*8+300)
	f, rep := loseMapped(t, f)
	if f.Load(n) != 2 || rep.LowerBound() || rep.Faults != nil {
		t.Errorf("%d calls, report %+v", f.Load(n), rep)
	}
}

func TestDamagedBatchIsSkippedAndReported(t *testing.T) {
	t.Parallel()
	for _, bit := range []int64{0, 50, 130, 200, 230, 300, 500} {
		f := create(t, Config{SyncInterval: -1})
		n, at := syncedSteps(t, f)
		flip(t, f.side.halves[f.side.active].file.Name(), at[1]*8+bit)
		f, rep := loseMapped(t, f)
		if f.Load(n) != 3 || rep.SideSkipped != 1 || !rep.LowerBound() || len(rep.Faults) != 1 {
			t.Fatalf("bit %d: %d calls, report %+v", bit, f.Load(n), rep)
		}
		// It stays known, also to whoever seals the tally later.
		if _, rep = reopen(t, f, Config{boot: "another"}); rep.SideSkipped != 1 || rep.Faults != nil {
			t.Fatalf("bit %d: later report %+v", bit, rep)
		}
	}
}

// As long as the mapped file is whole, a damaged side file loses nothing.
func TestDamagedSideFileAfterKill(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: -1})
	n, at := syncedSteps(t, f)
	flip(t, f.side.halves[f.side.active].file.Name(), at[1]*8+100)
	f, rep := reopen(t, f, Config{})
	if f.Load(n) != 3 || rep.LowerBound() || len(rep.Faults) != 1 {
		t.Errorf("%d calls, report %+v", f.Load(n), rep)
	}
}

// A sync of several batches that a power loss cut out of the middle of was
// never acknowledged, so it is no damage.
func TestTornSyncOfManyBatches(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: -1})
	const slots = 3 * batchRecords
	for i := range uint32(slots) {
		f.Add(mustSlot(t, f, account.Line{Account: i}))
	}
	at := f.side.end
	mustSync(t, f)
	flip(t, f.side.halves[f.side.active].file.Name(), (at+batchMax+100)*8)
	f, rep := loseMapped(t, f)
	if f.Load(0) != 1 || f.Load(slots-1) != 1 || f.Load(batchRecords+5) != 0 {
		t.Errorf("first %d, last %d, torn %d", f.Load(0), f.Load(slots-1), f.Load(batchRecords+5))
	}
	if rep.LowerBound() || rep.Slots != 2*batchRecords {
		t.Errorf("%d slots, lower bound %v", rep.Slots, rep.LowerBound())
	}
	if n := mustSlot(t, f, payg); n != slots {
		t.Errorf("new slot %d lies among resumed ones", n)
	}
}

// A full copy that was torn never became the active half.
func TestTornRewrite(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: -1})
	n, _ := syncedSteps(t, f)
	for i := range uint32(2 * batchRecords) {
		mustSlot(t, f, account.Line{Account: i})
	}
	old := f.side.halves[f.side.active].file.Name()
	f.Add(n)
	f.side.stale = true
	mustSync(t, f)
	flip(t, f.side.halves[f.side.active].file.Name(), sideHeaderBytes*8+400)
	openWithBadDisk(t, f, old)
	f, rep := loseMapped(t, f)
	if f.Load(n) != 3 || rep.LowerBound() || rep.Faults != nil {
		t.Errorf("%d calls, lower bound %v, faults %v", f.Load(n), rep.LowerBound(), rep.Faults)
	}
}

func TestResumeKeepsTheActiveHalfUntilTheOtherIsWritten(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: -1})
	n, _ := syncedSteps(t, f)
	openWithBadDisk(t, f, f.side.halves[f.side.active].file.Name())
	if f, _ = loseMapped(t, f); f.Load(n) != 3 {
		t.Errorf("%d calls, want 3", f.Load(n))
	}
}

// openWithBadDisk resumes f after a power loss on a disk that syncs what is
// there and fails from then on, and checks that it left the side file keep alone.
func openWithBadDisk(t *testing.T, f *File, keep string) {
	t.Helper()
	f.crash()
	if err := os.Truncate(f.path, mapHeaderBytes); err != nil {
		t.Fatal(err)
	}
	before := readAll(t, keep)
	syncs := 0
	for _, fd := range []found{readHalf(t, f, 0), readHalf(t, f, 1)} {
		if fd.present {
			syncs++
		}
	}
	_, _, err := Open(Config{boot: "the one before", datasync: func(*os.File) error {
		if syncs--; syncs < 0 {
			return io.ErrUnexpectedEOF
		}
		return nil
	}}, f.path)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("Open: %v", err)
	}
	if !bytes.Equal(before, readAll(t, keep)) {
		t.Errorf("%s was overwritten", keep)
	}
}

func readHalf(t *testing.T, f *File, i int) found {
	t.Helper()
	file, err := os.Open(f.side.halves[i].file.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return readSideHeader(file)
}

// A closed side file with damage of its own does not make repairs exact.
func TestDamagedBatchBeforeClose(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: -1})
	n, at := syncedSteps(t, f)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	flip(t, f.side.halves[f.side.active].file.Name(), at[1]*8+300)
	flip(t, f.path, slotAt(n)*8)
	f, rep := mustOpen(t, Config{}, f.path)
	if f.Load(n) != 3 || !rep.LowerBound() {
		t.Errorf("%d calls, report %+v", f.Load(n), rep)
	}
}

// What goes wrong in memory while the tally is open does not spread into the
// side file's earlier values, and counting on does not hide it.
func TestDamageWhileOpen(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: -1})
	n, _ := syncedSteps(t, f)
	f.slots.slot(n)[wordCount].Store(f.slots.slot(n)[wordCount].Load() ^ 1<<20)
	add(f, n, 10)
	mustSync(t, f)
	f, rep := reopen(t, f, Config{})
	if f.Load(n) != 3 || len(rep.Damaged) != 1 || !rep.LowerBound() {
		t.Errorf("%d calls, report %+v", f.Load(n), rep)
	}
}

func TestSyncWithoutChangesWritesNothing(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: -1})
	f.Add(mustSlot(t, f, payg))
	mustSync(t, f)
	end, synced := f.side.end, f.synced.Load()
	mustSync(t, f)
	if f.side.end != end {
		t.Errorf("wrote %d bytes", f.side.end-end)
	}
	if f.synced.Load() <= synced || f.SyncAge() < 0 {
		t.Errorf("sync age %v does not start anew", f.SyncAge())
	}
}

func TestSyncInBackground(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: time.Millisecond})
	n := mustSlot(t, f, payg)
	f.Add(n)
	for added := f.clock(); f.synced.Load() <= added; runtime.Gosched() {
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if f, _ = loseMapped(t, f); f.Load(n) != 1 {
		t.Errorf("%d calls, want 1", f.Load(n))
	}
}

func TestSyncError(t *testing.T) {
	t.Parallel()
	var broken bool
	var told []error
	f := create(t, Config{
		SyncInterval: -1,
		OnSyncError:  func(err error) { told = append(told, err) },
		datasync: func(file *os.File) error {
			if broken {
				return io.ErrUnexpectedEOF
			}
			return datasync(file)
		},
	})
	n := mustSlot(t, f, payg)
	mustSync(t, f)
	broken = true
	durable, generation := f.synced.Load(), f.side.header.generation
	good := f.side.halves[f.side.active].file.Name()
	var appended []byte
	for i := range 3 { // the append, then two rewrites
		if i == 1 {
			appended = readAll(t, good)
		}
		f.Add(n)
		if err := f.Sync(); !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(f.Err(), err) {
			t.Fatalf("Sync: %v, Err: %v", err, f.Err())
		}
	}
	if !bytes.Equal(readAll(t, good), appended) {
		t.Error("a failing rewrite overwrote the only good half")
	}
	if len(told) != 3 || !strings.Contains(told[0].Error(), f.path) {
		t.Errorf("told %v", told)
	}
	if f.synced.Load() != durable {
		t.Error("a failed sync counts as durable")
	}
	if f.Load(n) != 3 {
		t.Error("counting stopped")
	}
	broken = false
	mustSync(t, f)
	if f.Err() != nil {
		t.Errorf("Err after a good sync: %v", f.Err())
	}
	if f.side.header.generation == generation {
		t.Error("appended behind what was not synced")
	}
	f, rep := loseMapped(t, f)
	if f.Load(n) != 3 || rep.LowerBound() {
		t.Errorf("%d calls, report %+v", f.Load(n), rep)
	}
}

// Records are found whatever stands before them, also across the reading window.
func TestFindBatchInGarbage(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: -1})
	n := mustSlot(t, f, payg)
	name := f.side.halves[f.side.active].file.Name()
	garbage := make([]byte, 1<<20+7)
	for i := 0; i+4 < len(garbage); i += 37 {
		binary.LittleEndian.PutUint32(garbage[i:], batchMagic)
	}
	patch(t, name, f.side.end, func(b []byte) { copy(b, garbage) }, len(garbage))
	f.side.end += int64(len(garbage))
	f.Add(n)
	mustSync(t, f)
	f, rep := loseMapped(t, f)
	if f.Load(n) != 1 || rep.SideSkipped != 0 {
		t.Errorf("%d calls, report %+v", f.Load(n), rep)
	}
}

func TestFindBatchAcrossTheWindow(t *testing.T) {
	t.Parallel()
	for split := range int64(batchHeaderBytes + 1) {
		f := create(t, Config{SyncInterval: -1, datasync: noSync})
		n := mustSlot(t, f, payg)
		f.side.end = sideHeaderBytes + 1<<20 - split
		f.Add(n)
		mustSync(t, f)
		if f, _ = loseMapped(t, f); f.Load(n) != 1 {
			t.Fatalf("%d bytes before the edge: %d calls, want 1", split, f.Load(n))
		}
	}
}
