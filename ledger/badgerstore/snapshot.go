package badgerstore

import (
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
)

// snapshot is what the database holds after a commit. All reads until the next
// one share it: Badger makes each transaction wait for the commits before it, and
// pass through two queues.
type snapshot struct {
	txn   *badger.Txn
	users atomic.Int64 // reads, and the store while it is the newest
}

// renew lets reads that begin from now on see what is committed now. The caller
// holds the gate, if others have the store.
func (s *Store) renew() {
	s.drop()
	s.newest = &snapshot{txn: s.db.NewTransaction(false)}
	s.newest.users.Store(1)
}

// drop ends the newest snapshot once nobody reads it any more. The caller holds
// the gate.
func (s *Store) drop() {
	if s.newest != nil {
		s.newest.leave()
		s.newest = nil
	}
}

func (n *snapshot) leave() {
	if n.users.Add(-1) == 0 {
		n.txn.Discard()
	}
}

// begin starts a read of the newest snapshot. end must follow.
func (s *Store) begin() (*snapshot, error) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.stopped != nil {
		return nil, s.stopped
	}
	s.reads.Add(1)
	s.reading.Add(1)
	s.newest.users.Add(1)
	return s.newest, nil
}

func (s *Store) end(n *snapshot) {
	n.leave()
	s.reading.Add(-1)
	s.reads.Done()
}
