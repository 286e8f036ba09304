package badgerstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/ledger"
)

// Verified waits until all tables have been verified, and returns Err.
func (s *Store) Verified() error {
	<-s.verified
	return s.Err()
}

// verify reads the tables that Open left, of which Badger merges none meanwhile.
func (s *Store) verify(later []tableFile) {
	defer close(s.merging)
	whole := s.verifyAll(later)
	close(s.verified) // to merge may have to wait for room, and for reads, which wait for this
	if whole && len(later) > 0 {
		s.merge()
	}
}

func (s *Store) verifyAll(later []tableFile) (whole bool) {
	for _, t := range later {
		select {
		case <-s.closing:
			return false
		default:
		}
		if err := t.verify(true); err != nil {
			s.stop(err)
			return false
		}
	}
	return true
}

// merge opens the database again, with the merging of tables, at a moment when
// nobody uses it.
func (s *Store) merge() {
	for !s.tryMerge() {
		select {
		case <-s.closing:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tryMerge reports false where it is to be tried again. All commits are in the
// log: where the disk fails, Reopen is the way out.
func (s *Store) tryMerge() bool {
	s.commits.Lock()
	defer s.commits.Unlock()
	s.gate.Lock()
	defer s.gate.Unlock()
	switch {
	case s.stopped != nil:
		return true
	case s.reading.Load() > 0 || s.Room() != nil:
		return false
	}
	s.drop()
	err := s.db.Close()
	if err == nil {
		var db *badger.DB
		if db, err = openBadger(s.cfg, true); err == nil {
			s.db = db
			s.renew()
			return true
		}
	}
	if !errors.Is(err, ledger.ErrDamaged) {
		err = fmt.Errorf("%w: %w", ledger.ErrUnknownOutcome, err)
	}
	s.stopped = fmt.Errorf("opening the ledger again after its tables were verified: %w", err)
	s.cfg.Logger.Error("the ledger stops", "dir", s.cfg.Dir, "error", s.stopped)
	return true
}

// noticed stops the store where a read has come upon damage: what else would be
// read is no better.
func (s *Store) noticed(err error) {
	if errors.Is(err, ledger.ErrDamaged) {
		s.stop(err)
	}
}

// caught turns a panic of Badger, which it has for some damaged tables, into an
// error. Nothing but calls to Badger's reads may stand under it.
func caught(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: reading it failed with: %v", ledger.ErrDamaged, p)
	}
}
