// Package service is a running gateway without its HTTP server: the ledger in
// its folder, the meter in front of it, and the loop that settles. One Service
// outlives any number of configuration reloads.
//
// The ledger folder:
//
//	badger/    the ledger, a fold of the journal and the sealed files
//	journal/   every input, hash-chained
//	usage/     sealed usage, one file per period, kept for ever
//	tally/     counters of the periods that are not sealed yet
//	secret     the key of refusal ids
//	ballast    space for a full disk
//	unmetered  calls that ran and could not be counted, a JSON line each tenth of a second
//	clock      the test clock of a test ledger
//	wallclock  where the clock of any other ledger stood at last
//	repairing  a repair was broken off, and a gateway must not begin
//
// What a repair replaced is kept beside it, under a name with "damaged".
package service

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/badgerstore"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/meter"
	"github.com/tallygate/tallygate/rating"
)

// Service is an open ledger and its meter.
type Service struct {
	config   Config
	log      *slog.Logger
	settings atomic.Pointer[Settings]
	clock    meter.Clock
	wall     *wallClock // the same; nil in a test ledger
	lock     *journal.Lock
	store    *badgerstore.Store
	journal  *journal.Journal
	engine   *billing.Engine
	meter    *meter.Meter
	refusals refusalCodec
	herald   *herald
	guard    *guard
	lost     *unmetered // calls that could not be counted
	past     past
	exposure exposure

	settleLock sync.Mutex   // one settlement at a time
	jumpLock   sync.RWMutex // held for reading while time takes effect, for writing while it jumps
	repeated   int64        // the hour in which unacknowledged releases were told last
	kick       chan struct{}
	life       context.Context // ends when the gateway stops
	stop       context.CancelFunc
	stopped    sync.WaitGroup
	failed     time.Time // since when settlement fails, zero where it does not
	alerted    time.Time // of unmetered calls, last
}

// Open opens a ledger folder, made where it is missing, recovers what an
// earlier run left there, and starts to settle. It returns an error that names
// the holder where another process has the folder.
func Open(c Config) (*Service, error) {
	s := &Service{config: c, log: c.Logger, kick: make(chan struct{}, 1), herald: newHerald()}
	s.life, s.stop = context.WithCancel(context.Background())
	s.settings.Store(&c.Settings)
	if err := s.start(); err != nil {
		s.stop()
		if s.meter != nil { // its files are locked by this process
			err = errors.Join(err, s.meter.Close(s.life))
		}
		return nil, errors.Join(ledger.Mendable(err), s.release())
	}
	s.guard.serving.Store(true)
	s.stopped.Add(3)
	go s.loop()
	go s.announce()
	go func() {
		defer s.stopped.Done()
		s.lost.run(s.life.Done())
	}()
	return s, nil
}

func (s *Service) start() error {
	if err := checkRepaired(s.config.Dir); err != nil {
		return err
	}
	for _, dir := range []string{"badger", "journal", "usage", "tally"} {
		if err := durable.MakeDir(s.path(dir)); err != nil {
			return fmt.Errorf("ledger folder: %w", err)
		}
	}
	if err := s.openLedger(); err != nil {
		return err
	}
	if err := s.apply(s.config.Settings); err != nil {
		return err
	}
	return s.openMeter()
}

func (s *Service) path(name string) string { return filepath.Join(s.config.Dir, name) }

// openLedger opens store and journal and folds the one into the other.
func (s *Service) openLedger() (err error) {
	if s.lock, err = journal.TakeLock(s.path("journal")); err != nil {
		return err
	}
	s.guard = openGuard(s.config)
	s.lost = openUnmetered(s.path("unmetered"), s.log)
	s.lost.tell = s.alertUnmetered
	if s.refusals, err = openRefusalCodec(s.path("secret")); err != nil {
		return err
	}
	if s.store, err = badgerstore.Open(badgerstore.Config{Dir: s.path("badger"), Reserve: s.config.Reserve, Logger: s.log}); err != nil {
		return fmt.Errorf("opening the ledger: %w", err)
	}
	s.guard.reserve = s.store.Reserve
	failpoint.Hit("recover/opened")
	folded, err := foldedUntil(s.store)
	if err != nil {
		return err
	}
	var report journal.Report
	s.journal, report, err = journal.Open(journal.Config{Dir: s.path("journal"), Lock: s.lock, Anchor: s.config.Anchor, Floor: folded})
	if err != nil {
		return err
	}
	if report.Cut > 0 {
		s.log.Warn("cut a torn write from the journal's end; it was never acknowledged", "segment", report.CutSegment,
			"offset", report.CutOffset, "bytes", report.Cut)
	}
	if err := s.openClock(); err != nil {
		return err
	}
	s.meter = meter.Open(meter.Config{Clock: s.clock, Dir: s.path("tally"), Node: s.config.Node,
		SyncInterval: s.config.SyncInterval, Period: s.period, MakeRoom: s.guard.makeRoom, Unmetered: s.lost.note, Logger: s.log})
	s.meter.LetThrough(s.config.LetThrough)
	s.engine, err = billing.Open(billing.Config{Store: s.store, Journal: s.journal, UsageDir: s.path("usage"),
		Node: s.config.Node, Now: func() int64 { return s.clock.Now().Event }, Room: s.guard.Room, Doubted: s.doubted, Paced: true,
		Watcher: watcher{s.meter, s.herald, s.putCatalogs},
		Logger:  s.log, Currency: s.config.Book.Currency, Zone: s.config.Zone, Test: s.config.Test})
	if err == nil {
		s.meter.SetImages(s.engine)
		s.lost.label = s.engine.OperationName
	}
	return err
}

// period is the settlement period of an instant.
func (s *Service) period(unix int64) (start, length int64, month uint32) {
	interval := s.settings.Load().FlushInterval
	start = rating.PeriodStart(unix, interval, s.config.Zone)
	end := rating.PeriodEnd(unix, interval, s.config.Zone)
	return start, end - start, uint32(rating.MonthOf(start, s.config.Zone))
}

// Apply makes new settings those of the running gateway. What is fixed in the
// ledger cannot change: Fits says so beforehand.
func (s *Service) Apply(n Settings) error {
	if err := s.apply(n); err != nil {
		return err
	}
	s.putCatalogs()
	s.meter.LetThrough(n.LetThrough)
	if old := s.settings.Swap(&n); old.FlushInterval != n.FlushInterval {
		s.meter.Cut() // or the new length would wait for the old one's end
	}
	s.wake()
	return nil
}

func (s *Service) apply(n Settings) error {
	if _, err := s.engine.SetPriceBook(n.Book); err != nil {
		return fmt.Errorf("price book: %w", err)
	}
	if s.engine.Meta().Policy == (account.Policy{}) { // a new ledger
		return s.applyPolicy(n.Policy)
	}
	s.meter.SetRealtime(s.engine.Meta().Policy.Realtime)
	return nil // the loop does the rest
}

// applyPolicy puts a policy in force. What was due before is judged by the one
// before it.
func (s *Service) applyPolicy(p account.Policy) error {
	if err := s.engine.SetPolicy(p); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	s.meter.SetRealtime(p.Realtime)
	return nil
}

// FinanceConfigured reports whether anybody may adjust balances (D36).
func (s *Service) FinanceConfigured() bool { return s.settings.Load().Finance != [32]byte{} }

// Finance reports whether a token is that of who may adjust balances.
func (s *Service) Finance(token string) bool {
	want := s.settings.Load().Finance
	have := sha256.Sum256([]byte(token))
	return s.FinanceConfigured() && subtle.ConstantTimeCompare(want[:], have[:]) == 1
}

// Fits refuses a configuration that this running gateway cannot take over.
func (s *Service) Fits(c Config) error {
	switch {
	case c.Zone.String() != s.config.Zone.String():
		return fmt.Errorf("timezone is %s for the life of this ledger, not %s", s.config.Zone, c.Zone)
	case c.Book.Currency != s.config.Book.Currency:
		return fmt.Errorf("the currency is %s for the life of this ledger, not %s", s.config.Book.Currency, c.Book.Currency)
	case c.Test != s.config.Test:
		return errors.New("test_clock is fixed when a ledger is created")
	case c.Node != s.config.Node, c.Anchor != s.config.Anchor, c.SyncInterval != s.config.SyncInterval:
		return errors.New("node, anchor and sync_interval change with a restart, not with a reload")
	case c.Reserve != s.config.Reserve, c.Ballast != s.config.Ballast:
		return errors.New("reserve and ballast change with a restart, not with a reload")
	}
	return nil
}

// Meter is the hot path.
func (s *Service) Meter() *meter.Meter { return s.meter }

// Engine is the billing engine.
func (s *Service) Engine() *billing.Engine { return s.engine }

// OperationNumber finds a priced operation by name.
func (s *Service) OperationNumber(name string) (uint16, bool) { return s.engine.OperationNumber(name) }

// Now is event time.
func (s *Service) Now() time.Time { return s.clock.Now().Time() }

// OpenCounts returns what unsettled periods from an instant on have counted of an
// account.
func (s *Service) OpenCounts(number uint32, from int64) map[account.Line]uint64 {
	return s.meter.Open(number, max(from, s.engine.Meta().Settled))
}

// Close waits for calls in flight, bounded by the context, and closes the
// ledger. Counters of the open period stay for the next start.
func (s *Service) Close(ctx context.Context) error {
	s.stop()
	s.stopped.Wait()
	s.settleLock.Lock() // a settlement on demand may be reading the counters
	err := s.meter.Close(ctx)
	s.settleLock.Unlock()
	s.jumpLock.RLock()
	s.keepMark()
	s.jumpLock.RUnlock()
	return errors.Join(err, s.release())
}

// release closes what is open of the ledger.
func (s *Service) release() error {
	var errs []error
	closed := func() error { return nil }
	if s.guard != nil {
		closed = s.guard.closing()
	}
	if s.engine != nil {
		err := s.engine.Close()
		if errors.Is(err, ledger.ErrNoSpace) {
			s.log.Warn("the ledger is behind the journal, for want of disk space; the next start folds what is missing", "error", err)
			err = nil
		}
		errs = append(errs, err)
	}
	if s.journal != nil {
		errs = append(errs, s.journal.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.lost != nil {
		errs = append(errs, s.lost.close())
	}
	errs = append(errs, closed())
	if s.lock != nil {
		errs = append(errs, s.lock.Release())
	}
	return errors.Join(errs...)
}
