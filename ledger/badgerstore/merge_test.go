package badgerstore

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/ledger"
)

// within fails where something does not end.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal(what, "does not end")
	}
}

// TestReopenBeforeTheMerge: a commit fails while a ledger too large to be verified
// at once still waits to merge its tables.
func TestReopenBeforeTheMerge(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Dir: history(t, 3).folder(t), verifyNow: 1})
	read, err := s.begin() // nothing is merged beside a read
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verified(); err != nil {
		t.Fatal(err)
	}
	s.commit = func(*badger.Txn) error { return errors.New("input/output error") }
	if err := s.Commit(numberedStep(121)); !errors.Is(err, ledger.ErrUnknownOutcome) {
		t.Fatal(err)
	}
	s.commit = commit
	within(t, "Reopen", func() {
		time.AfterFunc(200*time.Millisecond, func() { s.end(read) })
		err = s.Reopen()
	})
	if err == nil {
		err = s.Commit(numberedStep(121))
	}
	if n, more := holdsSteps(s); n != 121 || err != nil || more != nil {
		t.Fatalf("step %d, %v, %v", n, err, more)
	}
}

// TestReadsBeforeTheMerge do not wait for room on a full disk, nor for a read that
// lasts.
func TestReadsBeforeTheMerge(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	s := mustOpen(t, Config{Dir: history(t, 3).folder(t), verifyNow: 1, free: func(string) (uint64, error) {
		if full.Load() {
			return 0, nil
		}
		return 1 << 40, nil
	}})
	read, err := s.begin()
	if err != nil {
		t.Fatal(err)
	}
	within(t, "a read beside another", func() { _, err = s.KeyOwner([32]byte{1: 9}) })
	if !errors.Is(err, ledger.ErrNotFound) {
		t.Error(err)
	}
	full.Store(true)
	s.end(read)
	within(t, "a read on a full disk", func() { _, err = s.Answer([32]byte{1: 9}) })
	if !errors.Is(err, ledger.ErrNotFound) {
		t.Error(err)
	}
	full.Store(false)
}

// TestMergeThatFails leaves a ledger that can be opened again, and closed.
func TestMergeThatFails(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Dir: history(t, 3).folder(t), verifyNow: 1})
	read, err := s.begin()
	if err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(s.cfg.Dir, "MANIFEST")
	if err := errors.Join(os.Rename(manifest, manifest+"-kept"), os.Mkdir(manifest, 0o700)); err != nil {
		t.Fatal(err)
	}
	s.end(read)
	<-s.merging
	if err := s.Err(); !errors.Is(err, ledger.ErrUnknownOutcome) {
		t.Fatal(err)
	}
	if err := s.Reopen(); err == nil {
		t.Fatal("opened without a manifest")
	}
	if err := errors.Join(os.Remove(manifest), os.Rename(manifest+"-kept", manifest)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Reopen(), s.Commit(numberedStep(121)), s.Close()); err != nil {
		t.Fatal(err)
	}
	if n, err := holdsSteps(mustOpen(t, Config{Dir: s.cfg.Dir})); n != 121 || err != nil {
		t.Fatalf("step %d, %v", n, err)
	}
}
