package tally

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

var (
	payg    = account.Line{Account: 7, Operation: 1, Kind: account.PayPerUse}
	free    = account.Line{Account: 7, Operation: 1, Kind: account.Free, Ref: 202611}
	refused = account.Line{Account: 8, Kind: account.RateLimited, Observed: true}
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	f := create(t, Config{})
	if want := "20261122T020000Z.tally"; filepath.Base(f.Path()) != want {
		t.Errorf("file is %s, want %s", f.Path(), want)
	}
	want := map[account.Line]uint64{payg: 3, free: 1, refused: 0}
	for line, calls := range want {
		n := mustSlot(t, f, line)
		add(f, n, int(calls))
		if f.Load(n) != calls {
			t.Errorf("%+v: loaded %d, want %d", line, f.Load(n), calls)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, rep := mustOpen(t, Config{}, f.Path())
	if got := counts(f); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if rep.Header != hour || f.Header() != hour || rep.Slots != 3 {
		t.Errorf("report %+v", rep)
	}
	if rep.PowerLosses != 0 || rep.Damaged != nil || rep.Faults != nil || rep.LowerBound() {
		t.Errorf("an undamaged tally reports %+v", rep)
	}
}

func TestALineCanHaveTwoSlots(t *testing.T) {
	t.Parallel()
	f := create(t, Config{})
	a, b := mustSlot(t, f, payg), mustSlot(t, f, payg)
	add(f, a, 2)
	add(f, b, 3)
	f, _ = reopen(t, f, Config{})
	if a == b || f.Load(a) != 2 || f.Load(b) != 3 || counts(f)[payg] != 5 {
		t.Errorf("slots %d and %d: %v", a, b, counts(f))
	}
}

func reopen(t testing.TB, f *File, cfg Config) (*File, Report) {
	t.Helper()
	f.crash()
	return mustOpen(t, cfg, f.path)
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var want []string
	for _, start := range []int64{hour.Start + 7200, hour.Start, hour.Start + 3600} {
		f, err := Create(Config{Dir: dir}, Header{Start: start, Length: 3600})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		want = append(want, f.Path())
	}
	slices.Sort(want)
	if _, err := Create(Config{Dir: dir}, hour); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second tally of the hour: %v", err)
	}
	if _, _, err := Open(Config{}, want[0]); err == nil {
		t.Error("opened twice")
	}
	// What a kill during Create leaves.
	for _, name := range []string{"20270101T000000Z.tally.tmp", "20270101T000000Z.side0", "20270101T000000Z.side1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Sweep(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := List(dir); err != nil || !slices.Equal(got, want) {
		t.Errorf("List: %v, %v; want %v", got, err, want)
	}
	if left, _ := os.ReadDir(dir); len(left) != 9 {
		t.Errorf("%d files, want three tallies of three", len(left))
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	f := create(t, Config{})
	mustSlot(t, f, payg)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(f.Path())); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := f.Slot(free); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Slot after Close: %v", err)
	}
	if err := f.Sync(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Sync after Close: %v", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	for _, h := range []Header{{Length: 0}, {Length: 1, Start: -1}, {Length: 1, Start: endOfYears}, {Length: 1, Node: string(make([]byte, 256))}} {
		if _, err := Create(Config{Dir: t.TempDir()}, h); err == nil {
			t.Errorf("created %+v", h)
		}
	}
}

// A tally that was only begun, or whose first chunk never reached the disk when
// power was lost, is empty.
func TestResumeRightAfterCreate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "20261122T020000Z.tally")
	if err := begin(path, hour); err != nil {
		t.Fatal(err)
	}
	f, rep := mustOpen(t, Config{}, path)
	f.crash()
	if err := os.Truncate(path, mapHeaderBytes); err != nil {
		t.Fatal(err)
	}
	_, again := mustOpen(t, Config{boot: "another"}, path)
	for _, rep := range []Report{rep, again} {
		if rep.Slots != 0 || rep.LowerBound() || rep.Faults != nil {
			t.Errorf("report %+v", rep)
		}
	}
}

func TestGrowsWhileCounting(t *testing.T) {
	t.Parallel()
	f := create(t, Config{SyncInterval: time.Millisecond})
	const workers, each = 4, chunkSlots
	var wg sync.WaitGroup
	for w := range uint32(workers) {
		wg.Go(func() {
			for i := range uint32(each) {
				n, err := f.Slot(account.Line{Account: w*each + i, Kind: account.PayPerUse})
				if err != nil {
					t.Error(err)
					return
				}
				add(f, n, int(w+1))
			}
		})
	}
	wg.Wait()
	check := func(f *File) {
		t.Helper()
		got := counts(f)
		if len(got) != workers*each {
			t.Fatalf("%d lines, want %d", len(got), workers*each)
		}
		for line, calls := range got {
			if want := uint64(line.Account/each + 1); calls != want {
				t.Fatalf("account %d: %d calls, want %d", line.Account, calls, want)
			}
		}
	}
	check(f)
	f, rep := reopen(t, f, Config{})
	check(f)
	if rep.LowerBound() || rep.Faults != nil || rep.Damaged != nil {
		t.Errorf("report %+v", rep)
	}
}

func TestAddDoesNotAllocate(t *testing.T) {
	f := create(t, Config{SyncInterval: -1})
	n := mustSlot(t, f, payg)
	if allocs := testing.AllocsPerRun(1000, func() { f.Add(n) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestZeroFill(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	file.WriteString("keep")
	for range 2 {
		if err := zeroFill(file, 100_000); err != nil {
			t.Fatal(err)
		}
	}
	b, _ := os.ReadFile(file.Name())
	if len(b) != 100_000 || string(b[:5]) != "keep\x00" {
		t.Errorf("%d bytes, begins %q", len(b), b[:5])
	}
}
