package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/meter"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/web"
)

// loop begins periods on time and settles those that ended.
func (s *Service) loop() {
	defer s.stopped.Done()
	for {
		s.report(s.tick())
		timer := time.NewTimer(s.untilNext())
		select {
		case <-s.life.Done():
			timer.Stop()
			return
		case <-s.kick:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// report says that settlement fails, once a minute, and that it goes on again.
func (s *Service) report(err error) {
	switch {
	case err == nil && !s.failed.IsZero():
		s.failed = time.Time{}
		s.log.Info("settlement goes on")
	case err != nil && s.life.Err() == nil && time.Since(s.failed) > time.Minute:
		s.failed = time.Now()
		s.log.Error("settlement failed and is tried again", "error", err)
	}
}

func (s *Service) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// untilNext is how long the loop may rest: until the period's end, and at most a
// second, since wall clocks move.
func (s *Service) untilNext() time.Duration {
	now := s.clock.Now().Event
	start, length, _ := s.period(now / int64(time.Second))
	rest := time.Duration((start+length)*int64(time.Second) - now)
	return min(max(rest, time.Millisecond), time.Second)
}

// tick follows the wall clock, begins the present period, and settles, unless the
// wall clock is doubted.
func (s *Service) tick() error {
	s.jumpLock.RLock()
	defer s.jumpLock.RUnlock()
	doubted := s.followWall()
	s.guard.tick()
	now := s.clock.Now().Event
	_, err := s.meter.Roll(now)
	if err == nil {
		if err = s.meter.Prepare(); err != nil {
			err = fmt.Errorf("preparing the next period's counters: %w", err)
		}
	}
	defer s.repeatReleases(now / int64(time.Second))
	if doubted {
		return err
	}
	settle := func() error { return s.settle(now/int64(time.Second), err) }
	if len(s.meter.Ended()) == 0 { // it is soon done
		return settle()
	}
	return inBackground(settle)
}

// settle settles what is over, although something failed before, and lives up to now
// unless something failed.
func (s *Service) settle(now int64, failed error) error {
	if err := errors.Join(failed, s.settleEnded()); err != nil {
		return err
	}
	return s.live(now)
}

// live lets happen what time alone brings, up to an instant by which every
// period that was over is settled: not up to the clock, which goes on (D13).
func (s *Service) live(now int64) error {
	s.settleLock.Lock()
	defer s.settleLock.Unlock()
	if err := s.life.Err(); err != nil {
		return fmt.Errorf("the gateway stops: %w", err)
	}
	if err := s.engine.Reach(s.meter.OldestStart()); err != nil {
		return fmt.Errorf("closing the month: %w", err)
	}
	if err := s.engine.Due(now); err != nil {
		return fmt.Errorf("what is due: %w", err)
	}
	if err := s.applyPolicy(s.settings.Load().Policy); err != nil {
		return err
	}
	return nil
}

// repeatReleases tells once an hour of the releases that nobody has acknowledged.
func (s *Service) repeatReleases(now int64) {
	s.settleLock.Lock()
	defer s.settleLock.Unlock()
	if hour := rating.HourStart(now, s.config.Zone); hour != s.repeated {
		if s.repeated != 0 {
			s.herald.repeat()
		}
		s.repeated = hour
	}
}

// settleEnded settles every period that is over, in order.
func (s *Service) settleEnded() error {
	s.settleLock.Lock()
	defer s.settleLock.Unlock()
	for _, e := range s.meter.Ended() {
		if err := s.life.Err(); err != nil {
			return fmt.Errorf("the gateway stops: %w", err)
		}
		counts, err := s.meter.Seal(s.life, e, s.settings.Load().SealWait)
		if err != nil {
			return fmt.Errorf("sealing the period's counters, which stay: %w", err)
		}
		s.past.note(&s.past.seal, e, s.config.Zone)
		if err := s.engine.SettleShort(e.Start, e.Length, counts, e.Shortfall()); err != nil {
			return fmt.Errorf("settling the period at %s: %w", time.Unix(e.Start, 0).UTC().Format(time.RFC3339), err)
		}
		failpoint.Hit("settle/settled")
		if err := s.meter.Drop(e); err != nil {
			return fmt.Errorf("removing settled counters: %w", err)
		}
		s.past.note(&s.past.settled, e, s.config.Zone)
	}
	return nil
}

// SettleNow ends the open period at the next whole second and settles it.
func (s *Service) SettleNow(ctx context.Context) (time.Time, error) {
	if s.doubted() {
		return time.Time{}, web.ErrClockDoubted
	}
	cut := time.Unix(s.meter.Cut(), 0)
	if s.wall != nil && cut.Sub(s.Now()) > meter.MaxDisagreement {
		return time.Time{}, fmt.Errorf("%w: %s", web.ErrClockBehind, cut.In(s.config.Zone).Format(time.RFC3339))
	}
	if test, ok := s.clock.(*testClock); ok {
		if err := test.Set(cut); err != nil {
			return time.Time{}, err
		}
	}
	for s.Now().Before(cut) {
		select {
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		case <-time.After(cut.Sub(s.Now())):
		}
	}
	if err := s.tick(); err != nil {
		return time.Time{}, err
	}
	if s.doubted() { // since a moment ago
		return time.Time{}, web.ErrClockDoubted
	}
	return cut, s.engine.Flush()
}

// Advance moves the test clock and settles everything due by then. In between
// nothing can be called, so the periods passed over are empty.
func (s *Service) Advance(_ context.Context, to time.Time) error {
	test, ok := s.clock.(*testClock)
	if !ok {
		return web.ErrNoTestClock
	}
	start, length, _ := s.period(s.Now().Unix())
	if end := time.Unix(start+length, 0); to.After(end) { // the open period ends as periods do
		if err := test.Set(end); err != nil {
			return err
		}
		if err := s.tick(); err != nil {
			return err
		}
	}
	if err := test.Set(to); err != nil {
		return err
	}
	if err := s.tick(); err != nil {
		return err
	}
	return s.engine.Flush()
}
