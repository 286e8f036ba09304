package badgerstore

import (
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
)

// Badger reads tables through mapped files and writes them through mapped files, so
// that a table which it has merged stays in the process's memory as a whole, whether
// or not anybody reads it again. The system could take these pages back at any time,
// and does so only when it has no others; until then they count as this process's.
// So they are let go early: the next read of a page finds it in the page cache.

const (
	letGoEvery = time.Second
	// letGoAbove is how much more of the process's files than after the last time
	// must be resident.
	letGoAbove = 16 << 20
)

// letGoLoop ends with Close.
func (s *Store) letGoLoop() {
	<-s.merging // until then tables are mapped elsewhere too, by who verifies them
	tick := time.NewTicker(letGoEvery)
	defer tick.Stop()
	for last := uint64(0); ; {
		select {
		case <-s.closing:
			return
		case <-tick.C:
		}
		if now, ok := residentFiles(); !ok {
			return
		} else if now < last+letGoAbove {
			last = min(last, now)
			continue
		}
		if err := s.letGo(); err != nil {
			s.cfg.Logger.Debug("letting go of tables in memory", "dir", s.cfg.Dir, "error", err)
		}
		last, _ = residentFiles()
	}
}

// letGo lets go of the pages of all tables. That must not meet a table that Badger
// unmaps meanwhile, since the address may be another's then. An iterator keeps the
// tables that were there when it was opened, and those are at least the ones that
// were there before it and are still there after it: a table goes once, for good.
func (s *Store) letGo() error {
	read, err := s.begin()
	if err != nil {
		return err
	}
	defer s.end(read)
	before := map[uint64]bool{}
	for _, t := range s.db.Tables() {
		before[t.ID] = true
	}
	o := badger.DefaultIteratorOptions
	o.PrefetchValues = false
	it := read.txn.NewIterator(o)
	defer it.Close()
	dir, err := filepath.EvalSymlinks(s.cfg.Dir)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, t := range s.db.Tables() {
		if before[t.ID] {
			kept[table.NewFilename(t.ID, dir)] = true
		}
	}
	return letGoOf(kept)
}
