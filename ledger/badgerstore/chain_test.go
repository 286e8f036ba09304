package badgerstore

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/ledger"
)

// twoLogs is a ledger as a kill leaves it while a full log is not written out
// yet, beside the one that follows. It has the step of each number.
func twoLogs(t *testing.T, step func(n uint32) ledger.Step) (f files, steps uint32) {
	t.Helper()
	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir})
	f = readFiles(t, dir)
	older, newer := f.names(".mem")[0], "00002.mem"
	for n := uint32(1); ; n++ {
		if err := s.Commit(step(n)); err != nil {
			t.Fatal(err)
		}
		next, err := os.ReadFile(filepath.Join(dir, newer))
		if err != nil {
			if f[older], err = os.ReadFile(filepath.Join(dir, older)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if steps++; steps == 5 {
			f[newer] = next
			return f, n
		}
	}
}

// largeStep fills a log with few of them.
func largeStep(n uint32) ledger.Step {
	s := numberedStep(n)
	s.Books = []ledger.PriceBook{{Input: uint64(n), Source: make([]byte, 500_000)}}
	return s
}

// largeMovement changes nothing that is counted.
func largeMovement(n uint32) ledger.Step {
	s := movement(n)
	s.Movements[0].Text = strings.Repeat("x", 500_000)
	return s
}

// TestOlderLogCut: Badger opens a ledger whose older log is cut, and has the
// commits before and after the cut.
func TestOlderLogCut(t *testing.T) {
	t.Parallel()
	good, steps := twoLogs(t, largeStep)
	if n, err := try(t, "undamaged", good, Config{}); n != steps || err != nil {
		t.Fatalf("step %d of %d, %v", n, steps, err)
	}
	older, newer := good.names(".mem")[0], good.names(".mem")[1]
	for _, end := range []int{0, 10, 20, 3 << 20, 9 << 20, 15 << 20} {
		if n, err := try(t, fmt.Sprint("older log cut at ", end), good.with(older, good[older][:end]), Config{}); err == nil {
			t.Errorf("older log cut at %d: served, step %d", end, n)
		}
		if n, err := try(t, fmt.Sprint("newer log cut at ", end), good.with(newer, good[newer][:end]), Config{}); err != nil || n > steps {
			t.Errorf("newer log cut at %d: step %d, %v", end, n, err)
		}
	}
	if n, err := try(t, "older log removed", good.without(older), Config{}); err == nil {
		t.Errorf("older log removed: served, step %d", n)
	}
	if n, err := try(t, "newer log removed", good.without(newer), Config{}); err != nil || n != steps-5 {
		t.Errorf("newer log removed: step %d, %v", n, err)
	}
}

// TestLostCommits: what was lost need not be anything that is counted.
func TestLostCommits(t *testing.T) {
	t.Parallel()
	good, _ := twoLogs(t, largeMovement)
	older := good.names(".mem")[0]
	mustOpen(t, Config{Dir: good.folder(t)})
	for _, end := range []int{20, 9 << 20} {
		if _, err := Open(Config{Dir: good.with(older, good[older][:end]).folder(t)}); !errors.Is(err, ledger.ErrDamaged) {
			t.Errorf("cut at %d: %v is not ErrDamaged", end, err)
		}
	}
}

// TestSums: what is counted must be there, and be the newest, whoever took it
// away.
func TestSums(t *testing.T) {
	t.Parallel()
	old := func(n uint32) ledger.Step {
		s := largeStep(n)
		s.Books[0].Source = nil
		return s
	}
	step := old(1)
	before, earlier := ledger.AppendBlockParts(nil, nil, step.Blocks[0])
	others := func(w *writer) []byte {
		value, err := lookup(w.txn, termsKey(2))
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	for what, change := range map[string]func(w *writer){
		"block lost":       func(w *writer) { w.delete(blockKey(2)) },
		"block of before":  func(w *writer) { w.set(blockKey(1), before); w.set(termsKey(1), append(w.b, earlier...)) },
		"state of before":  func(w *writer) { w.set(blockKey(1), before) },
		"terms of before":  func(w *writer) { w.set(termsKey(1), earlier) },
		"terms of another": func(w *writer) { w.set(termsKey(1), append(w.b, others(w)...)) },
		"terms lost":       func(w *writer) { w.delete(termsKey(1)) },
		"terms alone":      func(w *writer) { w.set(termsKey(7), earlier) },
		"terms of the end": func(w *writer) { w.set(termsKey(math.MaxUint32), earlier) },
		"terms beside all": func(w *writer) { w.set(blockKey(1), ledger.AppendBlock(w.b, old(7).Blocks[0])) },
		"price book lost":  func(w *writer) { w.delete(bookKey(3)) },
		"meta lost":        func(w *writer) { w.delete(metaKey) },
		"meta of before":   func(w *writer) { w.set(metaKey, ledger.AppendMeta(w.b, *step.Meta)) },
		"count lost":       func(w *writer) { w.delete(chainKey) },
		"number lost":      func(w *writer) { w.delete(slotKey(3)) },
		"number of others": func(w *writer) { w.set(slotKey(3), []byte{0, 0, 0, 0, 0, 0, 0, 4}) },
		"nothing":          func(w *writer) {},
	} {
		dir := t.TempDir()
		s := mustOpen(t, Config{Dir: dir})
		for n := uint32(1); n <= 9; n++ {
			if err := s.Commit(old(n)); err != nil {
				t.Fatal(err)
			}
		}
		err := s.db.Update(func(txn *badger.Txn) error {
			w := writer{txn: txn}
			change(&w)
			return w.err
		})
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		s, err = Open(Config{Dir: dir})
		if err == nil {
			s.Close()
		}
		if errors.Is(err, ledger.ErrDamaged) != (what != "nothing") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestDamageStays: a ledger that was refused is refused again, although Badger
// has tidied up what was wrong.
func TestDamageStays(t *testing.T) {
	t.Parallel()
	good, _ := twoLogs(t, largeStep)
	dir := good.without(good.names(".mem")[0]).folder(t)
	for range 3 {
		if _, err := Open(Config{Dir: dir}); !errors.Is(err, ledger.ErrDamaged) {
			t.Fatalf("%v is not ErrDamaged", err)
		}
	}
}

// TestAbsurdLength: a log in which an entry says that it is of 4 GiB is cut
// before it, without taking that much memory.
func TestAbsurdLength(t *testing.T) {
	t.Parallel()
	good := history(t, 1)
	log := good.names(".mem")[0]
	bad := slices.Clone(good[log])
	at := logHeader + int(entryLength(bad[logHeader:]))
	copy(bad[at+3:], []byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	dir := good.with(log, bad).folder(t)
	if err := boundLog(filepath.Join(dir, log)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, log)); err != nil || info.Size() != int64(at) {
		t.Fatalf("%+v, %v: want it cut at %d", info, err, at)
	}
	if n, err := try(t, "absurd length", good.with(log, bad), Config{}); n != 0 || err != nil {
		t.Errorf("step %d, %v", n, err)
	}
}

// TestOlderRelease: a ledger without a chain begins one.
func TestOlderRelease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir})
	for n := uint32(1); n <= 20; n++ {
		if err := s.Commit(numberedStep(n)); err != nil {
			t.Fatal(err)
		}
	}
	err := s.db.Update(func(txn *badger.Txn) error {
		w := writer{txn: txn}
		w.delete(chainKey)
		for slot := range uint32(20) {
			w.delete(slotKey(slot + 1))
		}
		return w.err
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	for n := uint32(20); n < 23; n++ {
		s := mustOpen(t, Config{Dir: dir})
		if got, err := holdsSteps(s); got != n || err != nil {
			t.Fatalf("step %d of %d, %v", got, n, err)
		}
		if err := errors.Join(s.Commit(numberedStep(n+1)), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
