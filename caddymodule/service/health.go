package service

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tallygate/tallygate/meter"
	"github.com/tallygate/tallygate/web"
)

// past remembers the newest seal and the newest settlement of this run.
type past struct {
	mu            sync.Mutex
	seal, settled web.Done
}

func (p *past) note(done *web.Done, e meter.Ended, zone *time.Location) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*done = web.Done{At: time.Now().In(zone), From: time.Unix(e.Start, 0).In(zone), Until: time.Unix(e.Start+e.Length, 0).In(zone)}
}

func (p *past) both() (seal, settled web.Done) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seal, p.settled
}

// leastSyncLimit keeps a short sync interval from being taken for a slow disk.
const leastSyncLimit = time.Second

// syncLimit is the age from which syncing counts as failed: ten intervals.
func (s *Service) syncLimit() time.Duration {
	return max(10*s.config.syncInterval(), leastSyncLimit)
}

// lag is how long ago the oldest period ended that waits for its settlement, by
// event time; 0 where none does.
func (s *Service) lag() time.Duration {
	ended := s.meter.Ended()
	if len(ended) == 0 {
		return 0
	}
	return max(0, s.Now().Sub(time.Unix(ended[0].Start+ended[0].Length, 0)))
}

// lagLimit is how late a settlement is worth a warning: well inside the next hour
// (D13), calls that are waited for included.
func (s *Service) lagLimit() time.Duration {
	return s.settings.Load().SealWait + 10*time.Minute
}

// Stopping reports that the gateway ends.
func (s *Service) Stopping() bool { return s.life.Err() != nil }

// Ready checks what calls need: counters, and that what they count reaches the
// disk. It waits for nothing and reads no disk.
func (s *Service) Ready() []web.Check {
	counting := web.Check{Name: "counters", Err: cmp.Or(s.meter.Counting(), s.meter.Failing())}
	sync := web.Check{Name: "sync"}
	if age := s.meter.SyncAge(); age > s.syncLimit() {
		sync.Err = fmt.Errorf("counts last reached the disk %s ago, and %s is the limit", age.Round(time.Millisecond), s.syncLimit())
	}
	return []web.Check{{Name: "ledger"}, counting, sync}
}

// Health adds to Ready what money commands and settlement need. Calls go on
// without: these are warnings.
func (s *Service) Health() []web.Check {
	checks := s.Ready()
	warn := func(name string, err error) {
		checks = append(checks, web.Check{Name: name, Err: err, Warning: true})
	}
	warn("journal", s.journal.Err())
	warn("fold", s.engine.Behind())
	warn("tables", s.store.Err())
	warn("disk", s.guard.Room())
	warn("commands", s.engine.Refusing())
	_, err := s.journal.Anchored()
	warn("anchor", err)
	err = nil
	if lag := s.lag(); lag > s.lagLimit() {
		err = fmt.Errorf("a period that ended %s ago is not settled", lag.Round(time.Second))
	}
	warn("settlement", err)
	err = nil
	if s.doubted() {
		err = errors.New("the wall clock and event time disagree: see tallygate clock")
	}
	warn("clock", err)
	return checks
}
