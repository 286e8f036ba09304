package tally

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/account"
)

const oneChunk, twoChunks = mapHeaderBytes + chunkBytes, mapHeaderBytes + 2*chunkBytes

// grown is a tally of two chunks whose slots count one call each; the last slots
// are given out after the last sync.
func grown(t *testing.T, slots, unsynced int) *File {
	t.Helper()
	f := create(t, Config{SyncInterval: -1, datasync: noSync})
	if err := f.extend(chunkSlots + 1); err != nil {
		t.Fatal(err)
	}
	for i := range slots {
		if i == slots-unsynced {
			mustSync(t, f)
		}
		f.Add(mustSlot(t, f, account.Line{Account: uint32(i), Kind: account.PayPerUse}))
	}
	if unsynced == 0 {
		mustSync(t, f)
	}
	return f
}

// TestSizes: a size that growth leaves is none of a file that was cut, and one that
// proves a longer file is, wherever it lies. After a power loss neither is damage.
func TestSizes(t *testing.T) {
	t.Parallel()
	const page = 4096
	for _, c := range []struct {
		name            string
		slots, unsynced int
		size            int64
		cut             bool // as far as can be known
		kept            int  // slots, at least
	}{
		{"growth was interrupted", 5000, 0, oneChunk + 3*page, false, 5000},
		{"at an odd size", 5000, 0, oneChunk + 1, false, 5000},
		{"when nothing was synced", 5000, 5000, twoChunks - page, false, 5000},
		{"when the chunk before was full", chunkSlots, 0, oneChunk + page, false, chunkSlots},
		{"cut among synced slots", chunkSlots + 300, 0, oneChunk + page, true, chunkSlots + 300},
		{"where a chunk begins", chunkSlots + 300, 0, oneChunk, true, chunkSlots + 300},
		{"below a chunk's end", chunkSlots, 0, oneChunk - page, true, chunkSlots},
		{"where the first chunk begins", 5000, 0, mapHeaderBytes, true, 5000},
		{"among slots that were not synced", chunkSlots + 300, 300, oneChunk + page, true, chunkSlots + page/slotBytes},
		{"before the first slot, and none was synced", 5000, 5000, mapHeaderBytes, true, 0},
		{"behind all that is known", chunkSlots + 300, 300, oneChunk, false, chunkSlots},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := grown(t, c.slots, c.unsynced)
			f.crash()
			for _, boot := range []string{"", "another"} {
				path := copyFiles(t, filepath.Dir(f.path))
				if err := os.Truncate(path, c.size); err != nil {
					t.Fatal(err)
				}
				g, rep := mustOpen(t, Config{boot: boot, datasync: noSync}, path)
				cut := c.cut && boot == ""
				if (rep.Faults != nil) != cut || rep.LowerBound() != cut || rep.Slots < c.kept {
					t.Errorf("boot %q: %d slots, lower bound %t, %v", boot, rep.Slots, rep.LowerBound(), rep.Faults)
				}
				if cut && g.Shortfall().Accounts != nil {
					t.Errorf("boot %q: who was counted in a lost slot is said to be known: %v", boot, g.Shortfall())
				}
				if size := mapHeaderBytes + int64(g.slots.slots())*slotBytes; sizeOf(t, path) != size || size < oneChunk {
					t.Errorf("boot %q: %d bytes, %d are mapped", boot, sizeOf(t, path), size)
				}
				if _, rep := reopen(t, g, Config{boot: boot, datasync: noSync}); rep.Faults != nil || rep.LowerBound() != cut {
					t.Errorf("boot %q: the next resume says %t, %v", boot, rep.LowerBound(), rep.Faults)
				}
			}
		})
	}
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestHeaderIsCut: no power loss takes of the header, which is synced before the
// file has its name.
func TestHeaderIsCut(t *testing.T) {
	t.Parallel()
	f, n := damageable(t)
	f.crash()
	if err := os.Truncate(f.path, mapHeaderBytes-1); err != nil {
		t.Fatal(err)
	}
	g, rep := mustOpen(t, Config{boot: "another"}, f.path)
	if g.Load(n) != 5 || len(rep.Faults) != 1 || rep.LowerBound() || rep.PowerLosses != 1 {
		t.Errorf("%d calls, report %+v", g.Load(n), rep)
	}
}

// TestFirstGrowthInterrupted: what a kill, a full disk or a power loss leaves of a
// tally that is being made is a new one.
func TestFirstGrowthInterrupted(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{mapHeaderBytes, mapHeaderBytes + 1, 200_704, oneChunk - 1, oneChunk} {
		for header := range 3 { // of the first rewrite: none, torn, whole
			path := filepath.Join(t.TempDir(), "20261122T020000Z.tally")
			if err := begin(path, hour); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
			leaveSideHeader(t, path, header)
			if want := size < oneChunk && header == 0; Blank(path) != want {
				t.Errorf("%d bytes, header %d: blank is %t", size, header, !want)
			}
			f, rep := mustOpen(t, Config{datasync: noSync}, path)
			if rep.Faults != nil || rep.LowerBound() || rep.PowerLosses != 0 || rep.Slots != 0 {
				t.Errorf("%d bytes, header %d: report %+v", size, header, rep)
			}
			f.Add(mustSlot(t, f, payg))
		}
	}
}

// leaveSideHeader writes a half's header without any batch: its second copy, or both.
func leaveSideHeader(t *testing.T, path string, copies int) {
	t.Helper()
	b := make([]byte, headerBytes)
	f, err := os.Open(path)
	if err == nil {
		_, err = f.ReadAt(b, 0)
		f.Close()
	}
	h, bad := decodeHeader(b, mapMagic)
	if err != nil || bad != nil {
		t.Fatal(err, bad)
	}
	h.generation, h.firstSync, h.boot = 1, 1, "one"
	side := make([]byte, sideHeaderBytes)
	if copies > 0 {
		copy(side[sideHeaderCopy:], h.encode(sideMagic))
	}
	if copies > 1 {
		copy(side, h.encode(sideMagic))
	}
	if err := os.WriteFile(strings.TrimSuffix(path, mapSuffix)+sideSuffixes[1], side, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNothingIsLeft: with the slots cut off, a side file that cannot be read may
// have known some.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	f, _ := damageable(t)
	f.crash()
	if err := os.Truncate(f.path, mapHeaderBytes); err != nil {
		t.Fatal(err)
	}
	patch(t, f.side.halves[f.side.active].file.Name(), 0, func(b []byte) { b[20] ^= 1; b[sideHeaderCopy+20] ^= 1 }, sideHeaderBytes)
	if Blank(f.path) {
		t.Error("taken for a tally that counted nothing")
	}
	if _, rep := mustOpen(t, Config{}, f.path); !rep.LowerBound() || len(rep.Faults) == 0 {
		t.Errorf("report %+v", rep)
	}
}

// TestHeadersAreLeft: a side file without a batch is what a power loss leaves of a
// tally that is being made, and damage where there was none.
func TestHeadersAreLeft(t *testing.T) {
	t.Parallel()
	f, _ := damageable(t)
	f.crash()
	side := f.side.halves[f.side.active].file.Name()
	for _, boot := range []string{"", "another"} {
		path := copyFiles(t, filepath.Dir(f.path))
		truncate(t, filepath.Join(filepath.Dir(path), filepath.Base(side)), sideHeaderBytes)
		truncate(t, path, mapHeaderBytes)
		_, rep := mustOpen(t, Config{boot: boot}, path)
		if cut := boot == ""; rep.LowerBound() != cut || (rep.Faults != nil) != cut {
			t.Errorf("boot %q: report %+v", boot, rep)
		}
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// TestNotBlank: a lost mapped file is filled from a side file that knows slots.
func TestNotBlank(t *testing.T) {
	t.Parallel()
	f, _ := damageable(t)
	f.crash()
	if err := os.Truncate(f.path, 0); err != nil {
		t.Fatal(err)
	}
	if Blank(f.path) {
		t.Error("taken for a tally that counted nothing")
	}
}
