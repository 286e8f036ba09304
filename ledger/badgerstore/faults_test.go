package badgerstore

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

func mustOpen(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func movement(n uint32) ledger.Step {
	return ledger.Step{Movements: []account.Movement{{Account: 1, Number: n, Kind: "top-up", Text: fmt.Sprint("number ", n)}}}
}

func countMovements(s *Store) (n uint32, err error) {
	for m, err := range s.Movements(1, 0) {
		if err != nil {
			return n, err
		}
		if m.Text != fmt.Sprint("number ", m.Number) {
			return n, fmt.Errorf("movement %d says %q", m.Number, m.Text)
		}
		n++
	}
	return n, nil
}

func TestDiskGuard(t *testing.T) {
	t.Parallel()
	var free atomic.Uint64
	free.Store(1 << 40)
	cfg := Config{Dir: t.TempDir(), free: func(string) (uint64, error) { return free.Load(), nil }}
	s := mustOpen(t, cfg)
	for n := uint32(1); n <= 3; n++ {
		free.Store(writeReserve)
		if err := s.Commit(movement(n)); err != nil {
			t.Fatal(err)
		}
		free.Store(writeReserve - 1)
		if err := s.Commit(movement(n + 1)); !errors.Is(err, ledger.ErrNoSpace) {
			t.Fatalf("%v is not ErrNoSpace", err)
		}
		if got, err := countMovements(s); got != n || err != nil {
			t.Fatalf("%d movements, %v", got, err)
		}
	}
	free.Store(1 << 40)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	free.Store(openReserve - 1)
	if _, err := Open(cfg); !errors.Is(err, ledger.ErrNoSpace) {
		t.Fatalf("opened on a full disk: %v", err)
	}
	free.Store(openReserve)
	mustOpen(t, cfg)
}

// TestCloseOnAFullDisk leaves everything to the log, and the folder locked.
func TestCloseOnAFullDisk(t *testing.T) {
	t.Parallel()
	var free atomic.Uint64
	free.Store(1 << 40)
	cfg := Config{Dir: t.TempDir(), free: func(string) (uint64, error) { return free.Load(), nil }}
	s := mustOpen(t, cfg)
	for n := uint32(1); n <= 50; n++ {
		if err := s.Commit(movement(n)); err != nil {
			t.Fatal(err)
		}
	}
	before := readFiles(t, cfg.Dir)
	free.Store(writeReserve - 1)
	if err := s.Room(); !errors.Is(err, ledger.ErrNoSpace) {
		t.Fatalf("room: %v", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	after := readFiles(t, cfg.Dir)
	for name, content := range before {
		if !bytes.Equal(content, after[name]) {
			t.Errorf("%s was written", name)
		}
	}
	if _, err := s.Meta(); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("%v is not ErrClosed", err)
	}
	free.Store(1 << 40)
	if again, err := Open(cfg); err == nil {
		again.Close()
		t.Error("opened beside the database that was left")
	}
	cfg.Dir = after.folder(t) // as the next process finds it
	if n, err := countMovements(mustOpen(t, cfg)); n != 50 || err != nil {
		t.Errorf("%d movements, %v", n, err)
	}
}

func TestRealDiskHasSpace(t *testing.T) {
	t.Parallel()
	free, err := freeSpace(t.TempDir())
	if err != nil || free < 1<<20 || free > 1<<60 {
		t.Fatalf("%d bytes free, %v", free, err)
	}
	if _, err := freeSpace(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Fatal("a missing folder has free space")
	}
}

// TestUnknownOutcome fails commits on disk, before or after they took effect.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	for there, commit := range []func(*badger.Txn) error{
		func(*badger.Txn) error { return broken },
		func(txn *badger.Txn) error { return errors.Join(txn.Commit(), broken) },
	} {
		t.Run([]string{"nothing is there", "all is there"}[there], func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := mustOpen(t, Config{Dir: dir})
			s.commit = commit
			err := s.Commit(movement(1))
			_, read := countMovements(s)
			_, meta := s.Meta()
			for _, err := range []error{err, read, meta, s.Commit(movement(2)), s.Err()} {
				if !errors.Is(err, ledger.ErrUnknownOutcome) || !errors.Is(err, broken) {
					t.Errorf("%v is not ErrUnknownOutcome with its cause", err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = mustOpen(t, Config{Dir: dir})
			if n, err := countMovements(s); n != uint32(there) || err != nil {
				t.Fatalf("%d movements, %v", n, err)
			}
		})
	}
}

// TestReadsBesideACommit see what was there before it and wait for nothing.
func TestReadsBesideACommit(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Dir: t.TempDir()})
	if err := s.Commit(movement(1)); err != nil {
		t.Fatal(err)
	}
	written, release, done := make(chan struct{}), make(chan struct{}), make(chan error)
	s.commit = func(txn *badger.Txn) error {
		err := txn.Commit()
		close(written)
		<-release
		return err
	}
	go func() { done <- s.Commit(movement(2)) }()
	<-written
	within(t, "a read beside a commit", func() {
		if n, err := countMovements(s); n != 1 || err != nil || s.Err() != nil {
			t.Errorf("%d movements, %v, %v", n, err, s.Err())
		}
	})
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n, err := countMovements(s); n != 2 || err != nil {
		t.Errorf("%d movements after it, %v", n, err)
	}
}

// TestDefiniteFailure: what Badger refuses before it writes stops nothing.
func TestDefiniteFailure(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Dir: t.TempDir()})
	s.commit = func(*badger.Txn) error { return badger.ErrTxnTooBig }
	if err := s.Commit(movement(1)); !errors.Is(err, ledger.ErrTooLarge) {
		t.Fatalf("%v is not ErrTooLarge", err)
	}
	s.commit = (*badger.Txn).Commit
	if err := s.Commit(movement(1)); err != nil {
		t.Fatal(err)
	}
}

// TestValueUnderAnotherKey exchanges two values inside Badger, which for Badger
// is no damage.
func TestValueUnderAnotherKey(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Dir: t.TempDir()})
	for n := uint32(1); n <= 2; n++ {
		if err := s.Commit(movement(n)); err != nil {
			t.Fatal(err)
		}
	}
	err := s.db.Update(func(txn *badger.Txn) error {
		value, err := lookup(txn, movementKey(1, 1))
		return errors.Join(err, txn.Set(movementKey(1, 2), value), txn.Set(blockKey(3), value))
	})
	if err != nil {
		t.Fatal(err)
	}
	s.gate.Lock() // the store reads by itself as well
	s.renew()
	s.gate.Unlock()
	n, moved := countMovements(s)
	_, block := s.Block(3)
	commit := s.Commit(ledger.Step{Blocks: []ledger.Block{{Number: 3, Folded: 1}}})
	for _, err := range []error{moved, block, commit} {
		if !errors.Is(err, ledger.ErrDamaged) {
			t.Errorf("%v is not ErrDamaged", err)
		}
	}
	if n != 1 {
		t.Errorf("%d movements before the damage", n)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir})
	if second, err := Open(Config{Dir: dir}); err == nil {
		second.Close()
		t.Fatal("opened twice")
	}
	if err := s.Commit(movement(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{}); err == nil {
		t.Fatal("opened without a folder")
	}
}

// TestCloseWaitsForIterations closes in the middle of one, which still gives all
// it began with.
func TestCloseWaitsForIterations(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Dir: t.TempDir()})
	const all = 50
	for n := uint32(1); n <= all; n++ {
		if err := s.Commit(movement(n)); err != nil {
			t.Fatal(err)
		}
	}
	next, stop := iter.Pull2(s.Movements(1, 0))
	defer stop()
	closed := make(chan error)
	for n := range uint32(all) {
		m, err, ok := next()
		if !ok || err != nil || m.Number != n+1 {
			t.Fatalf("%+v, %v", m, err)
		}
		if n == 0 {
			go func() { closed <- s.Close() }()
			for {
				if _, err := s.Meta(); errors.Is(err, ledger.ErrClosed) {
					break
				}
			}
		}
	}
	select {
	case <-closed:
		t.Fatal("closed under a running iteration")
	default:
	}
	if _, _, ok := next(); ok {
		t.Fatal("more than there is")
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
}

// TestReserveGrowsWithTheTables, as far as Badger merges them at once.
func TestReserveGrowsWithTheTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, test := range []struct{ tables, want int64 }{{0, 64 << 20}, {10 << 20, 74 << 20}, {1 << 30, 736 << 20}} {
		path := filepath.Join(dir, "000001.sst")
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, test.tables)); err != nil {
			t.Fatal(err)
		}
		s := &Store{cfg: Config{Dir: dir}}
		if got := s.Reserve(); got != uint64(test.want) {
			t.Errorf("%d bytes of tables: reserve %d, want %d", test.tables, got, test.want)
		}
		s.cfg.Reserve = 5
		if got := s.Reserve(); got != 5 {
			t.Errorf("set to 5: %d", got)
		}
	}
}
