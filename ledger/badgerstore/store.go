// Package badgerstore keeps a ledger in an embedded Badger database.
//
//	s, err := badgerstore.Open(badgerstore.Config{Dir: "data/ledger"})
//	defer s.Close()
//
// Badger is trusted with atomic, durable transactions and little else. What it
// is known to do wrong is caught here or made harmless:
//
//   - A damaged write-ahead log is cut short without an error at open. What is
//     left is an older ledger, so the caller folds the journal's tail again.
//   - A damaged table gives wrong values, or a panic. Values carry their own
//     check, panics of reads are ErrDamaged, and all tables are verified in the
//     background after each open: see Err.
//   - On a full disk it dies of SIGBUS. Commit and Open refuse below a reserve.
//   - After a failed sync its memory may show half of a transaction. The store
//     then refuses everything until it is opened again.
package badgerstore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/tallygate/tallygate/ledger"
)

// Config says where a ledger is kept.
type Config struct {
	// Dir is the folder of the database, created where missing. It is locked
	// while open.
	Dir string
	// Reserve is how many bytes of disk must be free for a Commit. It is what
	// Badger may need to write out memory and merge tables. Default 64 MiB.
	Reserve uint64
	// Logger gets what goes wrong, and Badger's own messages at debug level.
	// Default: none.
	Logger *slog.Logger

	free func(dir string) (uint64, error) // tests fill the disk with it
}

const (
	defaultReserve = 64 << 20
	// openReserve is what opening may need: the log's memory written out as tables.
	openReserve = 3 * memTable
	memTable    = 16 << 20
	valueLog    = 16 << 20
	inTable     = 1 << 20 // values below this stand in tables, not in the value log
)

// Store is a ledger.Store. It is safe for concurrent use.
type Store struct {
	cfg    Config
	db     *badger.DB
	commit func(*badger.Txn) error // a field, so that tests can make it fail

	commits sync.Mutex // one Commit at a time

	gate     sync.RWMutex // held for reading where a read begins, for writing where a commit ends
	stopped  error        // why nothing is served any more
	reads    sync.WaitGroup
	verified chan struct{} // closed when the background check has ended
	damage   error         // what it found, to be read after verified
	closing  chan struct{} // closed by the first Close
	purged   chan struct{} // closed when the purge has ended
	once     sync.Once     // closes closing
}

var _ ledger.Store = (*Store)(nil)

// Open opens a ledger or makes an empty one. It fails with ledger.ErrNoSpace,
// before Badger would die of it, on a disk that is nearly full.
func Open(cfg Config) (*Store, error) {
	if cfg.Dir == "" {
		return nil, errors.New("ledger: no folder: set Dir")
	}
	if cfg.Reserve == 0 {
		cfg.Reserve = defaultReserve
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.free == nil {
		cfg.free = freeSpace
	}
	s := &Store{cfg: cfg, commit: commit, verified: make(chan struct{}),
		closing: make(chan struct{}), purged: make(chan struct{})}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if err := s.room(min(cfg.Reserve, openReserve)); err != nil {
		return nil, err
	}
	if err := sweep(cfg.Dir); err != nil {
		return nil, err
	}
	var err error
	if s.db, err = badger.Open(badgerOptions(cfg)); err != nil {
		return nil, fmt.Errorf("ledger %s: %w", cfg.Dir, err)
	}
	go s.verify()
	go s.purgeLoop()
	return s, nil
}

func badgerOptions(cfg Config) badger.Options {
	return badger.DefaultOptions(cfg.Dir).
		WithLogger(badgerLog{cfg.Logger}).
		WithSyncWrites(true).
		WithNumVersionsToKeep(1).
		WithDetectConflicts(true).
		WithValueThreshold(inTable).
		WithMemTableSize(memTable).
		WithNumMemtables(2).
		WithValueLogFileSize(valueLog).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithChecksumVerificationMode(options.NoVerification).
		WithMetricsEnabled(false)
}

// Close waits for running commits, reads and the background work, and closes
// the database. It must not be called inside an iteration. Closing again does
// nothing.
func (s *Store) Close() error {
	s.once.Do(func() { close(s.closing) })
	<-s.purged
	s.commits.Lock()
	defer s.commits.Unlock()
	s.gate.Lock()
	already := errors.Is(s.stopped, ledger.ErrClosed)
	s.stopped = ledger.ErrClosed
	s.gate.Unlock()
	if already {
		return nil
	}
	s.reads.Wait()
	<-s.verified
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close ledger: %w", err)
	}
	return nil
}

// Err returns what has been found wrong since Open: ledger.ErrDamaged by the
// background check of all tables, ledger.ErrUnknownOutcome after a commit that
// failed on disk. nil may also mean that the check still runs.
func (s *Store) Err() error {
	var found error
	select {
	case <-s.verified:
		found = s.damage
	default:
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	if errors.Is(s.stopped, ledger.ErrUnknownOutcome) {
		return errors.Join(s.stopped, found)
	}
	return found
}

// verify checks all tables. Badger's other ways to check hide what is damaged,
// or panic.
func (s *Store) verify() {
	defer close(s.verified)
	if s.damage = s.checkTables(); s.damage != nil {
		s.cfg.Logger.Error("the ledger's tables are damaged: "+ledger.WayOut, "dir", s.cfg.Dir, "error", s.damage)
	}
}

func (s *Store) checkTables() (err error) {
	defer caught(&err)
	if err := s.db.VerifyChecksum(); err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrDamaged, err)
	}
	return nil
}

// caught turns a panic of Badger, which it has for some damaged tables, into an
// error. Nothing but calls to Badger's reads may stand under it.
func caught(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: reading it failed with: %v", ledger.ErrDamaged, p)
	}
}
