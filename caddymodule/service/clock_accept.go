package service

import (
	"fmt"
	"time"

	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/web"
)

// Clock says how the clock is.
func (s *Service) Clock() web.ClockState {
	w := s.wall
	if w == nil {
		now := s.Now()
		return web.ClockState{Now: now, Wall: now, TestClock: true}
	}
	r := w.Read()
	w.mu.Lock()
	defer w.mu.Unlock()
	c := web.ClockState{Now: r.Time(), Wall: time.Unix(0, r.Wall).UTC(), Disagreement: r.Disagreement(),
		Suspended: w.doubted.Load(), LastKnown: w.lastKnown}
	if c.Suspended {
		c.SuspendedSince = w.since
	}
	return c
}

// AcceptClock makes the wall clock the event time, if it is doubted and what the
// operator saw of it. It returns when everything due by then has happened; what of
// that fails is tried again, as always.
func (s *Service) AcceptClock(saw time.Time) error {
	if s.wall == nil {
		return web.ErrNotDoubted
	}
	if err := s.jump(saw); err != nil {
		return err
	}
	if err := s.tick(); err != nil {
		s.log.Error("settlement failed and is tried again", "error", err)
	}
	return nil
}

// jump waits until nothing that time brings is under way, and lets nothing begin.
func (s *Service) jump(saw time.Time) error {
	s.jumpLock.Lock()
	defer s.jumpLock.Unlock()
	if err := s.life.Err(); err != nil {
		return fmt.Errorf("the gateway stops: %w", err)
	}
	w := s.wall
	r, followed := w.Follow()
	if followed {
		return web.ErrNotDoubted
	}
	wall := time.Unix(0, r.Wall)
	if wall.Sub(saw).Abs() > web.WallTolerance {
		return fmt.Errorf("%w: it is %s", web.ErrOtherWall, wall.In(s.config.Zone).Format(time.RFC3339))
	}
	if err := s.engine.AcceptClock(r.Event, r.Wall); err != nil {
		return err
	}
	w.Accept(r)
	w.doubted.Store(false)
	failpoint.Hit("clock/accepted")
	w.log.Warn("an operator has accepted the wall clock: nothing is released for a day", "event_time", r.Time(), "wall", wall.UTC())
	s.keepMark()
	return nil
}
