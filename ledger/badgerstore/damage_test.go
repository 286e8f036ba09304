package badgerstore

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// files are those of a folder, by name.
type files map[string][]byte

func readFiles(t *testing.T, dir string) files {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := files{}
	for _, entry := range list {
		if all[entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// folder writes them into a new folder.
func (f files) folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range f {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content[:written(content)], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, int64(len(content))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// written is how much of a file is not the zeros behind what was written.
func written(content []byte) int { return len(bytes.TrimRight(content, "\x00")) }

// with is a copy in which a file is another.
func (f files) with(name string, content []byte) files {
	other := maps.Clone(f)
	other[name] = content
	return other
}

func (f files) without(name string) files {
	other := maps.Clone(f)
	delete(other, name)
	return other
}

func (f files) names(suffix string) (names []string) {
	for name := range f {
		if strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// numberedStep is step n of a history in which everything changes with each step:
// an account's block, its movements, a key that goes round.
func numberedStep(n uint32) ledger.Step {
	s := movement(n)
	s.Meta = &ledger.Meta{ID: "0123456789abcdef", Folded: uint64(n)}
	s.Blocks = []ledger.Block{{Number: n % 3, Folded: uint64(n), Accounts: []*account.Account{{Number: n % 3 * ledger.BlockSize, ID: fmt.Sprint(n)}}}}
	s.Keys = map[[32]byte]uint32{{7}: n}
	s.Answers = []ledger.Answer{{Key: [32]byte{byte(n), byte(n >> 8)}, Input: uint64(n)}}
	return s
}

// holdsSteps reports after which step of the history a ledger stands: all of it
// that is served must be of that step.
func holdsSteps(s *Store) (n uint32, err error) {
	meta, err := s.Meta()
	if errors.Is(err, ledger.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n = uint32(meta.Folded)
	for b := n; b > 0 && b+3 > n; b-- {
		block, err := s.Block(b % 3)
		if err != nil {
			return n, err
		}
		if block.Folded != uint64(b) || block.Accounts[0].ID != fmt.Sprint(b) {
			return n, fmt.Errorf("WRONG: block %d is that of step %d and must be of %d", b%3, block.Folded, b)
		}
	}
	if owner, err := s.KeyOwner([32]byte{7}); err != nil || owner != n {
		return n, errors.Join(err, wrong(err, "the key is that of step %d and must be of %d", owner, n))
	}
	for i := uint32(1); i <= n; i++ {
		if a, err := s.Answer([32]byte{byte(i), byte(i >> 8)}); err != nil || a.Input != uint64(i) {
			return n, errors.Join(err, wrong(err, "answer %d is %d", i, a.Input))
		}
	}
	all, err := countMovements(s)
	if err != nil || all != n {
		return n, errors.Join(err, wrong(err, "%d movements after step %d", all, n))
	}
	return n, nil
}

// wrong is what was served and is not so: damage that was noticed is none.
func wrong(err error, format string, args ...any) error {
	if errors.Is(err, ledger.ErrDamaged) {
		return nil
	}
	return fmt.Errorf("WRONG: "+format, args...)
}

// history makes a ledger of a number of steps, in a table for each but the last
// of so many generations, and in a log that a kill left.
func history(t *testing.T, generations int) files {
	t.Helper()
	dir, n := t.TempDir(), uint32(0)
	for g := range generations {
		s := mustOpen(t, Config{Dir: dir})
		for range 40 {
			n++
			if err := s.Commit(numberedStep(n)); err != nil {
				t.Fatal(err)
			}
		}
		if g == generations-1 {
			return readFiles(t, dir) // as a kill leaves it
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return nil
}

// try opens a damaged ledger. What it serves must be right; it returns the step
// that it stands after, or how it was refused.
func try(t *testing.T, what string, f files, cfg Config) (uint32, error) {
	t.Helper()
	cfg.Dir = f.folder(t)
	s, err := Open(cfg)
	if err == nil {
		defer s.Close()
		var n uint32
		if n, err = holdsSteps(s); err == nil {
			return n, nil
		}
	}
	if !errors.Is(err, ledger.ErrDamaged) || strings.Contains(err.Error(), "WRONG") {
		t.Errorf("%s: %v", what, err)
	}
	return 0, err
}

// TestDamagedFiles flips bits all over every file, cuts and removes each. What
// is served must be whole, at most without its end.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	const all = 120
	good := history(t, 3)
	if n, err := try(t, "undamaged", good, Config{}); n != all || err != nil {
		t.Fatalf("undamaged: step %d, %v", n, err)
	}
	tally := map[string]int{}
	note := func(what string, n uint32, err error) {
		switch {
		case err != nil:
			tally["refused"]++
		case n < all:
			tally["older"]++
		default:
			tally["harmless"]++
		}
		if strings.Contains(what, ".sst") && err == nil {
			t.Errorf("%s: served, step %d", what, n)
		}
	}
	for name, content := range good {
		n, err := try(t, name+" removed", good.without(name), Config{})
		note(name+" removed", n, err)
		size := written(content)
		for _, end := range []int{0, 1, 19, 21, size / 3, size / 2, size - 1} {
			what := fmt.Sprintf("%s cut at %d", name, end)
			n, err := try(t, what, good.with(name, content[:max(0, min(end, len(content)))]), Config{})
			note(what, n, err)
		}
		for at := 0; at < size; at += 1 + size/13 {
			bad := slices.Clone(content)
			bad[at] ^= 1 << (at % 8)
			what := fmt.Sprintf("%s flipped at %d", name, at)
			n, err := try(t, what, good.with(name, bad), Config{})
			note(what, n, err)
		}
	}
	t.Log(tally)
	if tally["refused"] == 0 || tally["older"] == 0 || tally["harmless"] == 0 {
		t.Error("one of them did not happen")
	}
}

// TestDamagedTablesOfALargeLedger leaves the tables to the background: what they
// could answer wrongly waits for it.
func TestDamagedTablesOfALargeLedger(t *testing.T) {
	t.Parallel()
	good := history(t, 3)
	large := Config{verifyNow: 1}
	if n, err := try(t, "undamaged", good, large); n != 120 || err != nil {
		t.Fatalf("undamaged: step %d, %v", n, err)
	}
	for _, name := range good.names(".sst") {
		size := len(good[name])
		for at := 3; at < size; at += size / 13 {
			bad := slices.Clone(good[name])
			bad[at] ^= 1 << (at % 8)
			if n, err := try(t, fmt.Sprintf("%s flipped at %d", name, at), good.with(name, bad), large); err == nil {
				t.Errorf("%s flipped at %d: served, step %d", name, at, n)
			}
		}
	}
}

// TestLargeLedgerMergesAfterwards: once the tables are verified, a ledger that
// was opened without merging goes on with it, under reads and commits.
func TestLargeLedgerMergesAfterwards(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Dir: history(t, 3).folder(t), verifyNow: 1})
	n := uint32(120)
	for merging := false; !merging; {
		n++
		if err := s.Commit(numberedStep(n)); err != nil {
			t.Fatal(err)
		}
		if got, err := holdsSteps(s); got != n || err != nil {
			t.Fatalf("step %d of %d, %v", got, n, err)
		}
		s.gate.RLock()
		merging = s.db.Opts().NumCompactors > 0
		s.gate.RUnlock()
	}
	dir := s.cfg.Dir
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := holdsSteps(mustOpen(t, Config{Dir: dir})); got != n || err != nil {
		t.Fatalf("step %d of %d, %v", got, n, err)
	}
}
