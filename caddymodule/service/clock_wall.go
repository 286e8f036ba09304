package service

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/meter"
)

// wallClock is the clock of a ledger that is no test ledger. Where the wall clock
// disagrees with event time it is doubted: calls are counted and commands accepted
// by event time, and what time alone brings waits.
type wallClock struct {
	*meter.WallClock
	log       *slog.Logger
	lastKnown time.Time // at the start; zero in a new ledger
	lastUsed  int64     // the same by an earlier run that served, Unix nanoseconds; 0 = unknown

	doubted atomic.Bool
	mu      sync.Mutex
	since   time.Time // event time at which that began
	told    int64     // monotonic time at which the log said so last

	path     string // of the mark
	markLock sync.Mutex
	kept     atomic.Int64 // monotonic time at which it was written last, or tried
}

const (
	markEvery = 20 * time.Second // the file is to be a minute old at most
	tellEvery = time.Hour
)

// openClock starts the ledger's clock: a test clock where it stood, any other at
// the wall clock, if that may be believed by what the ledger knows.
func (s *Service) openClock() error {
	if s.config.Test {
		test, err := s.openTestClock()
		s.clock = test
		return err
	}
	shift := s.config.wallShift
	if shift == nil {
		shift = failpoint.Shift
	}
	w := &wallClock{WallClock: meter.NewWallClock(shift), path: s.path("wallclock"), log: s.log}
	w.kept.Store(-int64(markEvery))
	s.clock, s.wall = w, w
	last, err := s.lastKnown()
	if err != nil {
		return fmt.Errorf("the last known time: %w", err)
	}
	if last == 0 {
		return nil
	}
	w.lastKnown = time.Unix(0, last).UTC()
	if r := w.Read(); r.Wall < last-int64(meter.MaxDisagreement) || r.Wall > last+int64(s.config.ClockGap) {
		w.Begin(last)
	}
	s.followWall()
	return nil
}

// lastKnown is the latest event time that mark and journal know, 0 in a new ledger. It
// notes when the ledger was used last, of which without a mark no more is known.
func (s *Service) lastKnown() (int64, error) {
	meta, err := s.store.Meta()
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return 0, fmt.Errorf("reading the ledger: %w", err)
	}
	head := s.journal.Head().Seq
	mark, err := readMark(s.wall.path)
	if err == nil && mark.Input > head {
		err = fmt.Errorf("it is of journal record %d, and the journal ends with %d", mark.Input, head)
	}
	switch {
	case head == 0:
		return 0, nil
	case err != nil:
		mark = billing.ClockMark{}
		s.log.Warn("the file that says where the clock stood cannot be used: the newest record of the journal and what is settled tell it",
			"file", s.wall.path, "error", err)
	}
	last, err := billing.LastKnown(s.journal, mark, meta.Settled)
	if s.wall.lastUsed = last; err == nil && mark != (billing.ClockMark{}) {
		s.wall.lastUsed, err = billing.LastUsed(s.journal, mark)
	}
	return last, err
}

// followWall follows the wall clock, and reports whether it is doubted. The log
// says so when it begins, once an hour, and when it ends.
func (s *Service) followWall() (doubted bool) {
	w := s.wall
	if w == nil {
		return false
	}
	r, followed := w.Follow()
	w.mu.Lock()
	was := w.doubted.Swap(!followed)
	if !followed && !was {
		w.since = r.Time()
	}
	tell := !followed && (!was || r.Mono-w.told >= int64(tellEvery))
	if tell {
		w.told = r.Mono
	}
	since := w.since
	w.mu.Unlock()
	facts := []any{"wall", time.Unix(0, r.Wall).UTC(), "event_time", r.Time(), "disagreement", r.Disagreement().String(), "since", since}
	switch {
	case tell:
		w.log.Error("the wall clock and event time disagree: nothing is settled, expires or is released until the wall clock is right again, "+
			"or an operator accepts it (tallygate clock accept)", facts...)
	case was && followed:
		w.log.Warn("the wall clock and event time agree again", facts...)
	}
	if s.engine != nil && r.Mono-w.kept.Load() >= int64(markEvery) {
		s.keepMark()
	}
	return !followed
}

// doubted reports whether the wall clock was doubted when somebody looked last, a
// second ago at most.
func (s *Service) doubted() bool {
	return s.wall != nil && s.wall.doubted.Load()
}
