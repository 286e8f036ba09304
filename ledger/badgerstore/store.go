// Package badgerstore keeps a ledger in an embedded Badger database.
//
//	s, err := badgerstore.Open(badgerstore.Config{Dir: "data/ledger"})
//	defer s.Close()
//
// Badger is trusted with atomic, durable transactions and little else. What it
// is known to do wrong is caught here or made harmless:
//
//   - A damaged write-ahead log is cut short without an error at open. Where its
//     end is gone, what is left is an older ledger and the caller folds the
//     journal's tail again; where commits are missing in the middle, Open says
//     so: see chain.
//   - A damaged table gives wrong or older values, or a panic, and is merged
//     into new tables as if nothing were wrong. So tables are verified before
//     Badger opens them: see preflight. Of a ledger that is too large for that,
//     those that are old are verified afterwards. Until then nothing is merged,
//     and what they could answer wrongly waits.
//   - A MANIFEST that is cut or removed makes it delete tables: see preflight.
//   - On a full disk it dies of SIGBUS. Commit and Open refuse below a reserve,
//     and Close leaves the log to the next Open.
//   - After a failed sync its memory may show half of a transaction. The store
//     then refuses everything until it is opened again.
package badgerstore

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/tallygate/tallygate/ledger"
)

// Config says where a ledger is kept.
type Config struct {
	// Dir is the folder of the database, created where missing. It is locked
	// while open.
	Dir string
	// Reserve is how many bytes of disk must be free for a Commit. Default: what
	// Badger may need to write out memory and merge tables, which is 64 MiB and as
	// much as the tables have, up to 736 MiB in all.
	Reserve uint64
	// Logger gets what goes wrong, and Badger's own messages at debug level.
	// Default: none.
	Logger *slog.Logger

	free      func(dir string) (uint64, error) // tests fill the disk with it
	verifyNow int64                            // bytes of tables that Open verifies
}

const (
	memTable = 16 << 20
	valueLog = 16 << 20
	inTable  = 1 << 20 // values below this stand in tables, not in the value log
	// A value is a few KiB. Where a table's block takes only one, Badger makes its
	// buffer again for nearly every value, twice as large: half of a gigabyte while
	// it merges the tables of a million accounts.
	tableBlock = 32 << 10
	// mergedTable is the size of tables below level 0, on every level. Badger
	// allocates 3 MiB for the index of each one that it writes, however small it is.
	mergedTable = 4 << 20
	// baseLevel is the size below which a level gets none above it. An hour of a
	// million accounts is 40 MiB: levels that it overflows are written twice.
	baseLevel = 64 << 20
	// defaultVerifyNow is read in a fraction of a second.
	defaultVerifyNow = 256 << 20
)

// Store is a ledger.Store. It is safe for concurrent use.
type Store struct {
	cfg    Config
	lock   *dirLock
	commit func(*badger.Txn) error // a field, so that tests can make it fail

	commits sync.Mutex      // one Commit at a time; what follows is under it
	chain   chain           // of the newest commit
	blocks  map[uint32]held // that are there, so that none goes back, and what stays is not written
	writer  writer          // has the buffers

	gate     sync.RWMutex // held for reading where a read begins, for writing where a commit ends
	db       *badger.DB   // changes under commits and gate
	newest   *snapshot    // of the commits that have ended
	stopped  error        // why nothing is served any more
	reads    sync.WaitGroup
	reading  atomic.Int64   // how many reads there are
	verified chan struct{}  // closed when all tables have been verified, or it was given up
	merging  chan struct{}  // closed after that, when tables are merged, or it was given up
	closing  chan struct{}  // closed by the first Close
	once     sync.Once      // closes
	loops    sync.WaitGroup // end after closing

	sizes   sync.Mutex
	tables  uint64 // bytes of all tables, as of
	sizesAt time.Time
}

var _ ledger.Store = (*Store)(nil)

// Open opens a ledger or makes an empty one. It fails with ledger.ErrNoSpace,
// before Badger would die of it, on a disk that is nearly full, and with
// ledger.ErrDamaged, which says what is wrong, where a part of it is missing.
func Open(cfg Config) (*Store, error) {
	if cfg.Dir == "" {
		return nil, errors.New("ledger: no folder: set Dir")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.free == nil {
		cfg.free = freeSpace
	}
	if cfg.verifyNow == 0 {
		cfg.verifyNow = defaultVerifyNow
	}
	s := &Store{cfg: cfg, commit: commit, verified: make(chan struct{}), merging: make(chan struct{}),
		closing: make(chan struct{})}
	later, err := s.open()
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", cfg.Dir, err)
	}
	go s.verify(later)
	s.loops.Go(s.purgeLoop)
	s.loops.Go(s.letGoLoop)
	return s, nil
}

// open returns the tables that are still to be verified.
func (s *Store) open() (later []tableFile, err error) {
	if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	if s.lock, err = lockDir(s.cfg.Dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.lock.release())
		}
	}()
	if err := s.room(min(cmp.Or(s.cfg.Reserve, openReserve), openReserve)); err != nil {
		return nil, err
	}
	l, err := load(s.cfg, s.cfg.verifyNow)
	if err != nil {
		return nil, err
	}
	s.db, s.chain, s.blocks = l.db, l.chain, l.blocks
	s.renew()
	return l.later, nil
}

// loaded is a database that was opened and found to add up.
type loaded struct {
	db     *badger.DB
	chain  chain
	blocks map[uint32]held
	later  []tableFile // that are still to be verified
}

// load checks the folder, verifying so many bytes of tables, and opens the
// database in it.
func load(cfg Config, verifyNow int64) (l loaded, err error) {
	tables, err := preflight(cfg)
	if err != nil {
		return l, err
	}
	if l.later, err = verifyFirst(tables, verifyNow); err != nil {
		return l, err
	}
	if l.db, err = openBadger(cfg, len(l.later) == 0); err != nil {
		return l, err
	}
	if l.chain, l.blocks, err = readChain(l.db); err != nil {
		return loaded{}, errors.Join(err, l.db.Close())
	}
	return l, nil
}

// openBadger opens the database, which merges tables only if that is said. What
// goes wrong and is no error of the system is damage.
func openBadger(cfg Config, merge bool) (db *badger.DB, err error) {
	defer caught(&err)
	o := badgerOptions(cfg)
	if !merge {
		o = o.WithNumCompactors(0).WithNumLevelZeroTablesStall(math.MaxInt)
	}
	db, err = badger.Open(o)
	var system syscall.Errno
	if err != nil && !errors.As(err, &system) {
		err = fmt.Errorf("%w: %w", ledger.ErrDamaged, err)
	}
	return db, err
}

// badgerOptions: one compactor for level 0 and one for the others. More of them would
// only compete with calls for the processor, and each keeps tables in memory.
func badgerOptions(cfg Config) badger.Options {
	o := badger.DefaultOptions(cfg.Dir)
	o.TableSizeMultiplier = 1
	return o.
		WithLogger(badgerLog{cfg.Logger}).
		WithSyncWrites(true).
		WithNumVersionsToKeep(1).
		WithDetectConflicts(true).
		WithValueThreshold(inTable).
		WithMemTableSize(memTable).
		WithNumMemtables(2).
		WithValueLogFileSize(valueLog).
		WithBlockSize(tableBlock).
		WithBaseTableSize(mergedTable).
		WithBaseLevelSize(baseLevel).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithNumCompactors(2).
		WithChecksumVerificationMode(options.NoVerification).
		WithMetricsEnabled(false).
		WithBypassLockGuard(locks)
}

// Err returns why nothing is served any more, or nil: ledger.ErrDamaged,
// ledger.ErrUnknownOutcome after a commit that failed on disk, or
// ledger.ErrClosed.
func (s *Store) Err() error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	return s.stopped
}

// stop ends all service for damage, unless it has ended for another reason.
func (s *Store) stop(why error) {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.stopped == nil {
		s.stopped = why
		s.cfg.Logger.Error("the ledger stops", "dir", s.cfg.Dir, "error", why, "way_out", ledger.WayOut)
	}
}
