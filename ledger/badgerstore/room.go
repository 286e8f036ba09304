package badgerstore

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/tallygate/tallygate/ledger"
)

// What Badger may write before the next Commit asks again. Up to three memories
// of 18 MiB wait to be written out as tables, a commit takes 2.4 MiB of the log,
// and files it makes ahead take a page here and there. Besides, it merges
// tables, which takes as much room as they have until the old ones go: up to 15
// of level 0 with the level below, 385 MiB, and three merges of a table with the
// eleven below it, of 4 MiB each, or of 8 MiB in a ledger begun by a release that made
// them as large. It never merges more than there is.
const (
	writeReserve = 64 << 20
	mergeReserve = 672 << 20
	// openReserve is what opening may need: the log's memory written out as tables.
	openReserve = 3 * memTable
)

// tablesEvery bounds how old the known size of all tables may be.
const tablesEvery = time.Second

// Room refuses with ledger.ErrNoSpace, which says how much is free and how much
// is needed, where a Commit would.
func (s *Store) Room() error { return s.room(s.Reserve()) }

// Reserve is how many bytes must be free for a Commit.
func (s *Store) Reserve() uint64 {
	if s.cfg.Reserve > 0 {
		return s.cfg.Reserve
	}
	return writeReserve + min(s.tableBytes(), mergeReserve)
}

// tableBytes is the size of all tables. Where it cannot be found out, it is
// large.
func (s *Store) tableBytes() (sum uint64) {
	s.sizes.Lock()
	defer s.sizes.Unlock()
	if time.Since(s.sizesAt) < tablesEvery {
		return s.tables
	}
	paths, err := filepath.Glob(filepath.Join(s.cfg.Dir, "*.sst"))
	if err != nil {
		return math.MaxUint64
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil { // or it was merged away just now
			sum += uint64(info.Size())
		}
	}
	s.tables, s.sizesAt = sum, time.Now()
	return sum
}

// room refuses where fewer bytes are free. Badger writes through mapped files,
// and a full disk under those is no error but SIGBUS.
func (s *Store) room(need uint64) error {
	free, err := s.cfg.free(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", s.cfg.Dir, err)
	}
	if free < need {
		return fmt.Errorf("%w: %d MiB free in %s, %d needed", ledger.ErrNoSpace, free>>20, s.cfg.Dir, need>>20)
	}
	return nil
}
