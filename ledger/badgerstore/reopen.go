package badgerstore

import (
	"errors"
	"fmt"
	"math"

	"github.com/tallygate/tallygate/ledger"
)

// Reopen closes the database and opens it again after a commit of unknown
// outcome, and serves once all tables have been found whole. All of that commit
// is there then or nothing. Without such a commit it does nothing; after an error
// it may be called again. A ledger that lost what was committed before is
// ledger.ErrForgotten. While the disk does not take what Badger has in memory
// it does not return. It must not be called beside Close.
func (s *Store) Reopen() error {
	s.gate.RLock()
	stopped := s.stopped
	s.gate.RUnlock()
	if !errors.Is(stopped, ledger.ErrUnknownOutcome) {
		return nil
	}
	<-s.merging      // the check of all tables may still run, and what follows it takes commits
	s.commits.Lock() // the commit that failed has ended, and there is no other
	defer s.commits.Unlock()
	s.reads.Wait()
	s.drop() // nobody else has it any more
	if err := s.room(min(s.Reserve(), openReserve)); err != nil {
		return err
	}
	if err := s.db.Close(); err != nil {
		s.cfg.Logger.Warn("closing the ledger after a failure of the disk", "dir", s.cfg.Dir, "error", err)
	}
	l, err := load(s.cfg, math.MaxInt64)
	if err != nil {
		return fmt.Errorf("open ledger %s again: %w", s.cfg.Dir, err)
	}
	if l.chain.commits < s.chain.commits { // what is committed next would build on what is not there
		return errors.Join(fmt.Errorf("open ledger %s again: %w: commits %d to %d: restart the gateway, which folds them again",
			s.cfg.Dir, ledger.ErrForgotten, l.chain.commits+1, s.chain.commits), l.db.Close())
	}
	s.gate.Lock()
	defer s.gate.Unlock()
	s.db, s.chain, s.blocks, s.stopped = l.db, l.chain, l.blocks, nil
	s.renew()
	return nil
}
