package badgerstore

import (
	"errors"
	"fmt"

	"github.com/tallygate/tallygate/ledger"
)

// Close waits for running commits, reads and the background work, and closes
// the database. It must not be called inside an iteration. Closing again does
// nothing.
//
// On a disk that is nearly full Badger could not write its memory out, and would
// die of trying. It is then left as a kill leaves it, and stays locked until the
// process ends: every commit is in the log, which the next Open reads.
func (s *Store) Close() (err error) {
	s.once.Do(func() { err = s.close() })
	return err
}

func (s *Store) close() error {
	s.gate.Lock()
	s.stopped = ledger.ErrClosed
	s.gate.Unlock()
	close(s.closing)
	s.loops.Wait()
	<-s.merging
	s.commits.Lock()
	defer s.commits.Unlock()
	s.reads.Wait()
	s.drop() // nobody else has it any more
	if err := s.room(min(s.Reserve(), writeReserve)); errors.Is(err, ledger.ErrNoSpace) {
		s.cfg.Logger.Warn("the disk is too full to close the ledger: its log stays for the next start, and nothing is lost", "dir", s.cfg.Dir, "error", err)
		return nil
	}
	if err := errors.Join(s.db.Close(), s.lock.release()); err != nil {
		return fmt.Errorf("close ledger: %w", err)
	}
	return nil
}
