package tally

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMappedFileLost: what the side file knows is taken up, and the report says
// that there may have been more; wherever the mapped file was cut, and also
// where it is gone and the folder is swept before.
func TestMappedFileLost(t *testing.T) {
	t.Parallel()
	f, _ := damageable(t)
	f.crash()
	for _, size := range []int64{-1, 0, 1, headerBytes, mapHeaderBytes - 1, mapHeaderBytes, mapHeaderBytes + 1, slotAt(1), slotAt(2) + 5} {
		path := copyFiles(t, filepath.Dir(f.path))
		err := os.Truncate(path, max(0, size))
		if size < 0 {
			err = os.Remove(path)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := Sweep(filepath.Dir(path)); err != nil {
			t.Fatal(err)
		}
		g, rep := mustOpen(t, Config{datasync: noSync}, path)
		if got := counts(g); got[payg] != 5 && got[payg] != 7 || got[refused] != 9 {
			t.Errorf("%d bytes: %v", size, got)
		}
		if !rep.LowerBound() || len(rep.Faults) == 0 {
			t.Errorf("%d bytes: report %+v", size, rep)
		}
		if rep.Header != hour {
			t.Errorf("%d bytes: header %+v", size, rep.Header)
		}
	}
}

// TestSideFilesLost costs nothing while the mapped file is whole.
func TestSideFilesLost(t *testing.T) {
	t.Parallel()
	f, _ := damageable(t)
	f.crash()
	for _, lost := range [][]string{sideSuffixes[:1], sideSuffixes[1:], sideSuffixes[:]} {
		path := copyFiles(t, filepath.Dir(f.path))
		for _, suffix := range lost {
			if err := os.Remove(strings.TrimSuffix(path, mapSuffix) + suffix); err != nil {
				t.Fatal(err)
			}
		}
		g, _ := mustOpen(t, Config{datasync: noSync}, path)
		if got := counts(g); got[payg] != 7 || got[refused] != 9 {
			t.Errorf("without %v: %v", lost, got)
		}
	}
}

// TestStrayBits: a bit in a slot that was never used is put right, wherever it
// is, and costs no other slot anything.
func TestStrayBits(t *testing.T) {
	t.Parallel()
	f, _ := damageable(t)
	f.crash()
	for _, n := range []uint32{5, 700, chunkSlots - 1} {
		path := copyFiles(t, filepath.Dir(f.path))
		flip(t, path, slotAt(n)*8+133)
		g, rep := mustOpen(t, Config{datasync: noSync}, path)
		if got := counts(g); got[payg] != 7 || got[refused] != 9 {
			t.Errorf("slot %d: %v", n, got)
		}
		if rep.LowerBound() || len(rep.Damaged) != 0 || len(rep.Faults) != 1 || rep.Slots != 3 {
			t.Errorf("slot %d: report %+v", n, rep)
		}
		if _, rep := reopen(t, g, Config{datasync: noSync}); len(rep.Faults) != 0 {
			t.Errorf("slot %d: still there: %+v", n, rep)
		}
	}
}
