package billing

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/ledger/usage"
	"github.com/tallygate/tallygate/rating/money"
)

var (
	// ErrUnavailable: the ledger cannot be written now; the cause is wrapped.
	// Where the journal failed, the command may have happened all the same.
	ErrUnavailable = errors.New("the ledger cannot be written now: repeat the command later with the same idempotency key, then it happens once")
	// ErrOtherContent: the idempotency key was used for another command (D33).
	ErrOtherContent = errors.New("the idempotency key was used before with other content: use a new key for a new command")
	// ErrOtherLedger: the configuration does not fit the ledger in the folder.
	ErrOtherLedger = errors.New("the ledger was created with other settings")
)

// Watcher is told what changed, in order for each account, after the input is
// durable and before its answer is given. It must not call the engine.
type Watcher interface {
	AccountChanged(*account.Account)
	KeyAdded(*account.Account, account.Key)
	KeyRemoved(account.Key)
	// Happened tells of an event once it cannot be undone. It is not told of
	// those that recovery folds again.
	Happened(*account.Account, account.Event)
	// Lower lets an instance admit no more than so many images, from now until
	// its account changes, if it holds no more than that with the adds in flight
	// (D30). Either way it says how many it holds.
	Lower(number uint32, instance string, most int64) (held int64, ok bool)
	// BookScheduled tells that another price book will take force (D35).
	BookScheduled()
}

// Config is what an engine is made of. Store and Journal stay the caller's to
// close.
type Config struct {
	Store    ledger.Store
	Journal  *journal.Journal
	UsageDir string // of sealed files
	Node     string
	Now      func() int64 // event time, Unix nanoseconds
	// Room says why the disk is too full to accept anything, nil where it is not;
	// ledger.ErrNoSpace is wrapped. It is asked before every input. May be nil.
	Room    func() error
	Doubted func() bool // the wall clock disagrees with Now, and nobody has accepted that yet; may be nil
	Paced   bool        // calls are served beside settlements, which rest for them
	Watcher Watcher     // may be nil
	Logger  *slog.Logger

	// Fixed when the ledger is created (D7); an existing one must agree.
	Currency money.Currency
	Zone     *time.Location
	Test     bool
}

// Engine decides and folds the inputs of one ledger.
type Engine struct {
	Config

	// inputs is held for reading by whoever appends an input for one block, for
	// writing by whoever appends one for all of them.
	inputs   sync.RWMutex
	bookLock sync.Mutex // one price book at a time
	keys     stripes    // idempotency keys, account ids, API keys
	blocks   blockCache
	recent   recent
	numbers  numbers
	pending  []*pendingInput // appended and not yet applied to every block
	dues     dueIndex

	metaLock  sync.RWMutex
	meta      ledger.Meta
	metaDirty bool
	books     []bookInForce
	newBooks  []ledger.PriceBook // not yet flushed
	applied   uint64             // newest input whose effect is in memory, but for periods
	given     uint32             // highest account number that an input has

	journalErr  error    // why no input can be recorded
	doubtful    []uint32 // accounts of commands whose record may be there or not
	foldedUntil uint64   // what the store has acknowledged of Meta.Folded

	only func(block uint32) bool // the blocks that are folded; nil = all (see refold)

	recovering bool
	unflushed  int               // what recovery has folded since it flushed, about in lines
	unrecorded map[uint64][]byte // period → hash of its results, no record of it seen
	lost       map[uint64]Lost   // periods that are passed over
	passedOver []string          // commands, see passOver
	progress   func(done, total uint64)

	emptyUntil atomic.Int64 // periods up to here were empty and are not recorded yet; set under settleLock

	settleLock sync.Mutex  // guards what follows, and unrecorded
	sealed     *usage.File // of the period that is being appended
	pace       pace
	slabs      *ledger.Slabs // of blocks that were read together, to be used again; or nil
	lastSealed int64         // start of the newest period that this run appended

	flushLock sync.Mutex
	backlog   []ledger.Step
	collected []*block      // whose effects are in the backlog
	noFold    error         // why nothing is folded, while the store is opened again and after it forgot something
	flushErr  error         // under metaLock
	broken    chan struct{} // holds a token while something is to be opened again
	stop      chan struct{}
	stopped   sync.WaitGroup
}

// flushEvery bounds how far the ledger is behind the journal.
const flushEvery = time.Second

// Open folds what the ledger has not got of the journal and starts to accept
// inputs. A new ledger is created.
func Open(c Config) (*Engine, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{Config: c, broken: make(chan struct{}, 1), stop: make(chan struct{})}
	e.blocks.engine = e
	e.recent.reset()
	if err := e.recover(); err != nil {
		return nil, err
	}
	if e.meta.ID == "" {
		if err := e.create(); err != nil {
			return nil, err
		}
	}
	if err := e.append(inputStart, startInput{Node: c.Node}); err != nil {
		return nil, err
	}
	failpoint.Hit("recover/started")
	if err := e.recordResults(); err != nil {
		return nil, err
	}
	e.stopped.Add(2)
	go e.flushLoop()
	go e.mendLoop()
	return e, nil
}

// agree refuses settings that the ledger was not created with (D7), before
// anything is folded by them.
func (e *Engine) agree() error {
	m := e.meta
	switch {
	case m.Currency != e.Currency.Code:
		return fmt.Errorf("%w: its currency is %s and the price book's is %s: use a price book in %[2]s, or another ledger folder",
			ErrOtherLedger, m.Currency, e.Currency.Code)
	case m.Zone != e.Zone.String():
		return fmt.Errorf("%w: its billing zone is %s and the configured one is %s: set timezone %[2]s, or another ledger folder",
			ErrOtherLedger, m.Zone, e.Zone)
	case m.Test != e.Test:
		return fmt.Errorf("%w: test_clock is %t in it and %t in the configuration: a ledger is a test ledger for ever or never",
			ErrOtherLedger, m.Test, e.Test)
	}
	return nil
}

// append records an input that concerns no single block, and applies it.
func (e *Engine) append(kind string, payload any) error {
	e.inputs.Lock()
	defer e.inputs.Unlock()
	rec, err := e.record(e.Now(), kind, payload)
	if err != nil {
		return err
	}
	return e.applyGlobal(rec)
}

// record makes an input durable. After an error it may have happened all the
// same.
func (e *Engine) record(at int64, kind string, payload any) (journal.Record, error) {
	pending, err := e.place(at, kind, encode(payload))
	if err != nil {
		return journal.Record{}, err
	}
	return e.durable(pending)
}

// place gives an input, encoded, its place in the journal.
func (e *Engine) place(at int64, kind string, payload []byte) (journal.Pending, error) {
	if err := e.journalStopped(); err != nil { // also while its tail is not taken up yet
		return journal.Pending{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	pending, err := e.Journal.Append(at, kind, payload)
	return pending, e.recorded(err)
}

// durable waits for an input that has its place. After an error it may have
// happened all the same, and the journal has stopped.
func (e *Engine) durable(pending journal.Pending) (journal.Record, error) {
	rec, err := pending.Wait()
	return rec, e.recorded(err)
}

// recorded notes a journal that has failed.
func (e *Engine) recorded(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, journal.ErrStopped) {
		e.stopJournal(err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// instant is event time, Unix nanoseconds. What is settled is past, also after a
// start with a clock that was put back: nothing comes into a month that is closed
// (D37), and no price book into an hour that is priced (D35).
func (e *Engine) instant() int64 {
	return max(e.Now(), max(e.Meta().Settled, e.emptyUntil.Load())*int64(time.Second))
}

// Meta is what concerns the ledger as a whole, as of now.
func (e *Engine) Meta() ledger.Meta {
	e.metaLock.RLock()
	defer e.metaLock.RUnlock()
	return e.meta
}

// Close folds what is left into the ledger and stops. The journal and the
// store stay open.
func (e *Engine) Close() error {
	close(e.stop)
	e.stopped.Wait()
	return e.Flush()
}
