package badgerstore

import (
	"errors"
	"sync"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/ledger"
)

// TestReopen: after a commit of unknown outcome the store serves again where it
// is; the commit is there or not, and to make it again does no harm.
func TestReopen(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	for there, failing := range []func(*badger.Txn) error{
		func(*badger.Txn) error { return broken },
		func(txn *badger.Txn) error { return errors.Join(txn.Commit(), broken) },
	} {
		t.Run([]string{"nothing is there", "all is there"}[there], func(t *testing.T) {
			t.Parallel()
			s := mustOpen(t, Config{Dir: t.TempDir()})
			var readers sync.WaitGroup
			stop := make(chan struct{})
			for range 2 { // beside all of it
				readers.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						if _, err := countMovements(s); err != nil && !errors.Is(err, ledger.ErrUnknownOutcome) {
							t.Error(err)
						}
					}
				})
			}
			if err := s.Reopen(); err != nil {
				t.Fatal("nothing has failed yet:", err)
			}
			for n := uint32(1); n <= 3; n++ {
				s.commit = failing
				if err := s.Commit(movement(n)); !errors.Is(err, ledger.ErrUnknownOutcome) {
					t.Fatal(err)
				}
				s.commit = commit
				if err := s.Commit(movement(n)); !errors.Is(err, ledger.ErrUnknownOutcome) {
					t.Fatalf("a commit before it is open again: %v", err)
				}
				if err := s.Reopen(); err != nil {
					t.Fatal(err)
				}
				if got, err := countMovements(s); got != n-1+uint32(there) || err != nil || s.Err() != nil {
					t.Fatalf("%d movements, %v, %v", got, err, s.Err())
				}
				if err := s.Commit(movement(n)); err != nil {
					t.Fatal(err)
				}
			}
			close(stop)
			readers.Wait()
			if got, err := countMovements(s); got != 3 || err != nil {
				t.Fatalf("%d movements, %v", got, err)
			}
		})
	}
}

// TestReopenOnAFullDisk is refused until there is room.
func TestReopenOnAFullDisk(t *testing.T) {
	t.Parallel()
	free := uint64(1 << 40)
	s := mustOpen(t, Config{Dir: t.TempDir(), free: func(string) (uint64, error) { return free, nil }})
	s.commit = func(*badger.Txn) error { return errors.New("input/output error") }
	if err := s.Commit(movement(1)); !errors.Is(err, ledger.ErrUnknownOutcome) {
		t.Fatal(err)
	}
	free = 0
	if err := s.Reopen(); !errors.Is(err, ledger.ErrNoSpace) {
		t.Fatal(err)
	}
	if _, err := s.Meta(); !errors.Is(err, ledger.ErrUnknownOutcome) {
		t.Fatal(err)
	}
	free = 1 << 40
	if err := s.Reopen(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Meta(); !errors.Is(err, ledger.ErrNotFound) {
		t.Fatal(err)
	}
}
