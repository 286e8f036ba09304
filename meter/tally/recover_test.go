package tally

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/account"
)

func slotAt(n uint32) int64 { return mapHeaderBytes + int64(n)*slotBytes }

// damageable is a tally with a synced slot of 5 calls among others, counted to
// 7 since; and an untouched tail.
func damageable(t *testing.T) (f *File, n uint32) {
	f = create(t, Config{SyncInterval: -1})
	mustSlot(t, f, free)
	n = mustSlot(t, f, payg)
	add(f, mustSlot(t, f, refused), 9)
	add(f, n, 5)
	mustSync(t, f)
	add(f, n, 2)
	return f, n
}

// Every bit of a live slot: after a flip it takes the side file's value, and
// says so now and at every later resume.
func TestEveryBitOfALiveSlot(t *testing.T) {
	t.Parallel()
	f, n := damageable(t)
	f.crash()
	dir := filepath.Dir(f.path)
	for bit := range int64(slotBytes * 8) {
		path := copyFiles(t, dir)
		flip(t, path, slotAt(n)*8+bit)
		g, rep := mustOpen(t, Config{datasync: noSync}, path)
		want := Damage{Slot: n, Line: payg, LineKnown: true, Calls: 5, LaterLost: true}
		if len(rep.Damaged) != 1 || rep.Damaged[0] != want || !rep.LowerBound() || rep.Slots != 3 {
			t.Fatalf("bit %d: report %+v", bit, rep)
		}
		if got := counts(g); got[payg] != 5 || got[refused] != 9 {
			t.Fatalf("bit %d: %v", bit, got)
		}
		g.Add(n)
		g, rep = reopen(t, g, Config{datasync: noSync})
		if want.Calls++; len(g.Damaged()) != 1 || rep.Damaged[0] != want {
			t.Fatalf("bit %d: later report %+v", bit, rep)
		}
		g.crash()
	}
}

// copyFiles copies the files of the one tally in a folder.
func copyFiles(t testing.TB, dir string) (path string) {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	paths, err := List(to)
	if err != nil || len(paths) != 1 {
		t.Fatalf("%v, %v", paths, err)
	}
	return paths[0]
}

func TestDamagedSlots(t *testing.T) {
	t.Parallel()
	zero := func(b []byte) { clear(b) }
	for _, c := range []struct {
		name   string
		unsync bool // the slot was never synced
		from   int  // bytes of the slot
		to     int
		change func([]byte)
		want   Damage
	}{
		{"zeroed", false, 0, 32, zero, Damage{Line: payg, LineKnown: true, Calls: 5, LaterLost: true}},
		{"zeroed count", false, 24, 32, zero, Damage{Line: payg, LineKnown: true, Calls: 5, LaterLost: true}},
		{"zeroed seal", false, 16, 24, zero, Damage{Line: payg, LineKnown: true, Calls: 5, LaterLost: true}},
		{"garbage", false, 0, 32, func(b []byte) { copy(b, "garbage garbage garbage garbage ") }, Damage{Line: payg, LineKnown: true, Calls: 5, LaterLost: true}},
		{"zeroed, not synced", true, 0, 32, zero, Damage{LaterLost: true}},
		{"zeroed count, not synced", true, 24, 32, zero, Damage{Line: payg, LineKnown: true, LaterLost: true}},
		{"zeroed line, not synced", true, 0, 8, zero, Damage{LaterLost: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, n := damageable(t)
			if c.unsync {
				n = mustSlot(t, f, payg)
				f.Add(mustSlot(t, f, free))
				f.Add(n)
			}
			f.crash()
			patch(t, f.path, slotAt(n)+int64(c.from), c.change, c.to-c.from)
			for range 2 {
				g, rep := mustOpen(t, Config{}, f.path)
				c.want.Slot = n
				if len(rep.Damaged) != 1 || rep.Damaged[0] != c.want {
					t.Errorf("damaged %+v, want %+v", rep.Damaged, c.want)
				}
				next := mustSlot(t, g, free)
				if next <= n {
					t.Errorf("slot %d was given out again", next)
				}
				g.crash()
			}
		})
	}
}

// The last slot is no unfinished one if it has counted.
func TestLastSlotLosesItsSeal(t *testing.T) {
	t.Parallel()
	f, _ := damageable(t)
	n := mustSlot(t, f, payg)
	f.Add(n)
	f.crash()
	patch(t, f.path, slotAt(n)+8*wordSeal, func(b []byte) { clear(b) }, 8)
	_, rep := mustOpen(t, Config{}, f.path)
	if len(rep.Damaged) != 1 || rep.Damaged[0] != (Damage{Slot: n, LaterLost: true}) {
		t.Errorf("report %+v", rep)
	}
}

// After Close the side file lacks nothing, so damage is repaired exactly.
func TestDamageAfterClose(t *testing.T) {
	t.Parallel()
	for _, boot := range []string{"", "another"} {
		f, n := damageable(t)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		flip(t, f.path, slotAt(n)*8+200)
		g, rep := mustOpen(t, Config{boot: boot}, f.path)
		if g.Load(n) != 7 || len(rep.Damaged) != 1 || rep.LowerBound() || rep.PowerLosses != 0 {
			t.Errorf("%d calls, report %+v", g.Load(n), rep)
		}
		if _, rep = reopen(t, g, Config{boot: boot}); rep.Damaged != nil {
			t.Errorf("repaired damage is reported again: %+v", rep)
		}
	}
}

// A mapped value below the synced one is damage, unless the machine restarted.
func TestOlderMappedPage(t *testing.T) {
	t.Parallel()
	for boot, damaged := range map[string]bool{"": true, "another": false} {
		f, n := damageable(t)
		f.crash()
		old := newImage(f.header.id, n, payg, 0, 4)
		patch(t, f.path, slotAt(n), func(b []byte) { putImage(b, old) }, slotBytes)
		g, rep := mustOpen(t, Config{boot: boot}, f.path)
		if g.Load(n) != 5 || (len(rep.Damaged) == 1) != damaged || rep.LowerBound() != damaged {
			t.Errorf("boot %q: %d calls, report %+v", boot, g.Load(n), rep)
		}
	}
}

func putImage(b []byte, im image) {
	for i, w := range im {
		binary.NativeEndian.PutUint64(b[i*8:], w)
	}
}

func TestTwoLinesOfOneSlot(t *testing.T) {
	t.Parallel()
	f, n := damageable(t)
	f.crash()
	other := newImage(f.header.id, n, free, 0, 1)
	patch(t, f.path, slotAt(n), func(b []byte) { putImage(b, other) }, slotBytes)
	_, rep := mustOpen(t, Config{}, f.path)
	want := Damage{Slot: n, Line: free, LineKnown: true, Calls: 1, LaterLost: true}
	if len(rep.Damaged) != 1 || rep.Damaged[0] != want {
		t.Errorf("report %+v", rep)
	}
}

// A slot that was given up is filled from the side file if that has it after all.
func TestVoidSlotComesBack(t *testing.T) {
	t.Parallel()
	f, n := damageable(t)
	f.crash()
	void := newImage(f.header.id, n, account.Line{}, flagVoid, 0)
	patch(t, f.path, slotAt(n), func(b []byte) { putImage(b, void) }, slotBytes)
	_, rep := mustOpen(t, Config{}, f.path)
	want := Damage{Slot: n, Line: payg, LineKnown: true, Calls: 5, LaterLost: true}
	if len(rep.Damaged) != 1 || rep.Damaged[0] != want {
		t.Errorf("report %+v", rep)
	}
}

func TestEveryBitOfTheHeader(t *testing.T) {
	t.Parallel()
	f, n := damageable(t)
	f.crash()
	bits := rand.Perm(headerBytes * 8)[:64]
	for _, bit := range append(bits, 0, 64, 8*headerBytes-1) {
		flip(t, f.path, int64(bit))
		g, rep := mustOpen(t, Config{}, f.path)
		if len(rep.Faults) != 1 || rep.Header != hour || g.Load(n) != 7 || rep.LowerBound() {
			t.Fatalf("bit %d: report %+v", bit, rep)
		}
		g, rep = reopen(t, g, Config{})
		if rep.Faults != nil {
			t.Fatalf("bit %d: not restored: %+v", bit, rep)
		}
		g.crash()
	}
}

func TestSideHeader(t *testing.T) {
	t.Parallel()
	f, n := damageable(t)
	side := f.side.halves[f.side.active].file.Name()
	flip(t, side, 8*30)
	f, rep := loseMapped(t, f)
	if f.Load(n) != 5 || len(rep.Faults) != 1 || rep.LowerBound() {
		t.Errorf("%d calls, report %+v", f.Load(n), rep)
	}
}

func TestAllHeadersDamaged(t *testing.T) {
	t.Parallel()
	f, _ := damageable(t)
	f.crash()
	for _, path := range []string{f.path, f.side.halves[0].file.Name(), f.side.halves[1].file.Name()} {
		patch(t, path, 0, func(b []byte) { clear(b) }, sideHeaderBytes)
	}
	_, _, err := Open(Config{}, f.path)
	if err == nil || !strings.Contains(err.Error(), f.path) || !strings.Contains(err.Error(), "damaged header") {
		t.Errorf("got %v", err)
	}
}

func TestSideFilesMissing(t *testing.T) {
	t.Parallel()
	f, n := damageable(t)
	f.crash()
	for i := range f.side.halves {
		if err := os.Remove(f.side.halves[i].file.Name()); err != nil {
			t.Fatal(err)
		}
	}
	g, rep := mustOpen(t, Config{}, f.path)
	if g.Load(n) != 7 || !rep.LowerBound() || len(rep.Faults) != 1 {
		t.Errorf("%d calls, report %+v", g.Load(n), rep)
	}
}

func TestSideFilesOfAnotherTally(t *testing.T) {
	t.Parallel()
	f, n := damageable(t)
	other, _ := damageable(t)
	add(other, n, 100)
	mustSync(t, other)
	f.crash()
	other.crash()
	for i := range f.side.halves {
		b, err := os.ReadFile(other.side.halves[i].file.Name())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.side.halves[i].file.Name(), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g, rep := mustOpen(t, Config{}, f.path)
	if g.Load(n) != 7 || !rep.LowerBound() || len(rep.Faults) != 2 {
		t.Errorf("%d calls, report %+v", g.Load(n), rep)
	}
}

func TestNewerFormat(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "20261122T020000Z.tally")
	if err := begin(path, hour); err != nil {
		t.Fatal(err)
	}
	patch(t, path, 0, func(b []byte) {
		b[8]++
		end := headerBytes - 4
		binary.LittleEndian.PutUint32(b[end:], crc32.Checksum(b[:end], castagnoli))
	}, headerBytes)
	if _, _, err := Open(Config{}, path); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("got %v", err)
	}
}

// Power is lost at a random instant: the side file is as of the last sync, or
// with any part of a later write, and every 4 KiB of the mapped file is as it
// was at some earlier time. All that was synced is there, and nothing more
// than was counted.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	for range 30 {
		f := create(t, Config{SyncInterval: -1, datasync: noSync})
		var mapped [][]byte
		for range 1 + rand.IntN(6) {
			countRandomly(t, f)
			mapped = append(mapped, readAll(t, f.path))
			mustSync(t, f)
		}
		synced := counts(f)
		var sides [2][]byte
		for i := range sides {
			sides[i] = readAll(t, f.side.halves[i].file.Name())
		}
		countRandomly(t, f)
		mapped = append(mapped, readAll(t, f.path))
		if rand.IntN(4) == 0 {
			f.side.stale = true
		}
		mustSync(t, f)
		counted := counts(f)
		f.crash()

		writePages(t, f.path, mapped, 4096)
		for i := range sides {
			name := f.side.halves[i].file.Name()
			writePages(t, name, [][]byte{sides[i], sides[i], readAll(t, name)}, 4096)
		}
		g, rep := mustOpen(t, Config{boot: "another", SyncInterval: -1}, f.path)
		got := counts(g)
		for line, want := range synced {
			if got[line] < want {
				t.Fatalf("%+v: %d calls, %d synced", line, got[line], want)
			}
		}
		for line, calls := range got {
			if calls > counted[line] {
				t.Fatalf("%+v: %d calls, only %d counted", line, calls, counted[line])
			}
		}
		if rep.PowerLosses != 1 || rep.LowerBound() {
			t.Fatalf("report %+v", rep)
		}
		if _, rep = reopen(t, g, Config{boot: "another"}); rep.LowerBound() || rep.Faults != nil || rep.PowerLosses != 1 {
			t.Fatalf("report of the next resume %+v", rep)
		}
	}
}

// TestLostRewriteStaysLost: a power loss takes a rewrite of the side file but for
// its later pages. They must not pass for the end of the next rewrite of that
// half, which is a shorter one.
func TestLostRewriteStaysLost(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: -1, datasync: noSync})
	count := func(slots int) {
		for range slots {
			f.Add(mustSlot(t, f, account.Line{Account: f.used.Load(), Kind: account.PayPerUse}))
		}
	}
	count(100)
	mustSync(t, f)
	other := f.side.halves[1-f.side.active].file.Name()
	mapped, lost := readAll(t, f.path), readAll(t, other)
	count(3 * batchMax / recordBytes)
	f.side.stale = true
	mustSync(t, f)
	written := readAll(t, other)
	f.crash()
	if len(lost) < len(written) {
		lost = append(lost, make([]byte, len(written)-len(lost))...)
	}
	copy(lost[4096:], written[4096:])
	for path, b := range map[string][]byte{f.path: mapped, other: lost} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g, rep := mustOpen(t, Config{boot: "another", SyncInterval: -1}, f.path)
	if rep.Slots != 100 || rep.LowerBound() {
		t.Fatalf("report %+v", rep)
	}
	if _, rep = reopen(t, g, Config{boot: "another"}); rep.Slots != 100 || rep.LowerBound() || rep.Faults != nil {
		t.Fatalf("report of the next resume: %d slots, lower bound %t, %v", rep.Slots, rep.LowerBound(), rep.Faults)
	}
}

func countRandomly(t *testing.T, f *File) {
	t.Helper()
	for range rand.IntN(3000) {
		mustSlot(t, f, account.Line{Account: f.used.Load(), Kind: account.PayPerUse})
	}
	if used := f.used.Load(); used > 0 {
		for range 3000 {
			f.Add(rand.Uint32N(used))
		}
	}
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// writePages writes a file each of whose pages is that of a random version.
func writePages(t *testing.T, path string, versions [][]byte, page int) {
	t.Helper()
	b := make([]byte, len(versions[rand.IntN(len(versions))]))
	for off := 0; off < len(b); off += page {
		v := versions[rand.IntN(len(versions))]
		if off < len(v) {
			copy(b[off:min(off+page, len(b))], v[off:])
		}
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
