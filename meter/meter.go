package meter

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter/tally"
)

// Config is what a meter needs to know of its surroundings.
type Config struct {
	Clock Clock

	// Dir holds the tally files, Node names this gateway in them.
	Dir  string
	Node string

	// SyncInterval is how much counting a power cut may take (default 100 ms).
	SyncInterval time.Duration

	// Images is the ledger's sets of images; may be set later, by SetImages.
	Images Images

	// Period returns the settlement period of an instant, in Unix seconds, and
	// the month (YYYYMM) it lies in (D7). A period never crosses an hour.
	Period func(unix int64) (start, length int64, month uint32)

	// MakeRoom is asked for disk space where the counters of a period lack it, and
	// reports whether there is more now. May be nil.
	MakeRoom func() bool

	// Unmetered is told of each call that runs, or ran, and could not be counted. It
	// must not wait. Nil: they are logged.
	Unmetered func(line account.Line, why error)

	Logger *slog.Logger
}

// Meter admits and counts the calls of all accounts of a ledger.
type Meter struct {
	config Config
	clock  Clock
	log    *slog.Logger
	keys   keyTable
	nobody *Account // counts the calls that name no account
	totals totals
	warned sync.Once

	realtime atomic.Bool // see SetRealtime
	images   images

	letThrough atomic.Bool           // see LetThrough
	stale      atomic.Pointer[error] // why counts do not reach the disk
	syncFails  atomic.Bool           // the newest sync failed, and that has been said
	closed     chan struct{}         // by Close

	accounts accountTable
	store    *store
	periods  atomic.Uint32 // how many there were

	stopping   atomic.Bool // no call is admitted any more
	current    atomic.Pointer[period]
	periodLock sync.Mutex // guards what follows, and the change of current
	closing    []*period  // ended, not yet dropped, oldest first
	outlived   []*period  // dropped, maybe before all their calls ended
	catalogs   []*Catalog
	floor      int64       // the next period begins here or later, Unix seconds
	shut       bool        // no period begins any more
	prepared   *tally.File // the next period's file, made ahead of need
	rollErr    error       // why the present period has no file
	rollFailed time.Time   // when that was tried last
}

// Open makes a meter without accounts that counts into no period yet: call
// Resume for tally files that are there, in order. It is to be closed.
func Open(c Config) *Meter {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Meter{config: c, clock: c.Clock, log: c.Logger, store: new(store), closed: make(chan struct{})}
	m.nobody = m.account(0)
	m.images.set = c.Images
	go m.watchSync()
	return m
}

// account returns the state of an account, empty at first sight.
func (m *Meter) account(number uint32) *Account { return m.accounts.get(number) }

// Now reads the meter's clock.
func (m *Meter) Now() Instant { return m.clock.Now() }

// SyncAge is how long ago counts last reached the disk.
func (m *Meter) SyncAge() time.Duration {
	if p := m.current.Load(); p != nil {
		return p.file.SyncAge()
	}
	return 0
}

// Close ends admission, waits for the calls in flight, bounded by the context,
// and closes the tally files. They stay, for the next start. Where calls are
// still in flight then, the files stay mapped, so that these can be counted.
func (m *Meter) Close(ctx context.Context) error {
	m.stopping.Store(true)
	m.barrier() // whoever was admitted is in flight
	late := m.awaitLate(ctx)
	m.periodLock.Lock()
	if !m.shut {
		close(m.closed)
	}
	m.shut = true
	periods := m.closing
	m.closing = nil
	last := m.current.Load()
	if last != nil {
		periods = append(periods, last)
	}
	if late == 0 {
		m.current.Store(nil)
	} else if last != nil {
		last.end.Store(math.MaxInt64)
	}
	prepared := m.prepared
	m.prepared = nil
	m.periodLock.Unlock()
	m.barrier()
	var errs []error
	if prepared != nil {
		errs = append(errs, discard(prepared))
	}
	for _, p := range periods {
		calls := int64(0)
		if p == last {
			calls = late // they are counted here
		}
		if p.drained(ctx) && calls == 0 {
			errs = append(errs, p.file.Close())
		} else {
			m.log.Warn("calls outlive the gateway; they are counted when they end, if the process lives", "calls", calls+p.inflight.Load())
			errs = append(errs, p.file.Sync())
		}
	}
	return errors.Join(append(errs, m.closeIntents())...)
}

// awaitLate waits for the calls that outlived the sealing of their period, and
// returns how many still run when the context ends.
func (m *Meter) awaitLate(ctx context.Context) (calls int64) {
	m.periodLock.Lock()
	periods := slices.Clone(m.outlived)
	for _, p := range m.closing {
		if p.closed.Load() {
			periods = append(periods, p)
		}
	}
	m.periodLock.Unlock()
	for _, p := range periods {
		if !p.drained(ctx) {
			calls += p.inflight.Load()
		}
	}
	return calls
}

// idle reports whether all calls of the period have ended.
func (p *period) idle() bool { return p.inflight.Load() == 0 }

// drained waits until no call of the period is in flight.
func (p *period) drained(ctx context.Context) bool {
	for pause := 50 * time.Microsecond; !p.idle(); pause = min(2*pause, 20*time.Millisecond) {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
	return true
}
