package service

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/meter"
)

// testClock is a clock that stands still and remembers where, across restarts.
type testClock struct {
	*meter.TestClock
	mu   sync.Mutex // from the check to the change
	path string
}

// openTestClock is the clock of a test ledger, where it stood.
func (s *Service) openTestClock() (*testClock, error) {
	at := s.config.TestStart
	text, err := os.ReadFile(s.path("clock"))
	switch {
	case err == nil:
		if at, err = time.Parse(time.RFC3339Nano, strings.TrimSpace(string(text))); err != nil {
			return nil, fmt.Errorf("test clock: %s: %w", s.path("clock"), err)
		}
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("test clock: %w", err)
	case at.IsZero():
		at = time.Now().UTC().Truncate(time.Second)
	}
	c := &testClock{TestClock: meter.NewTestClock(at), path: s.path("clock")}
	return c, c.Set(at)
}

// Set moves the clock forward and writes down where it is.
func (c *testClock) Set(to time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to.UnixNano() < c.Now().Event {
		return fmt.Errorf("%w: it is %s", meter.ErrClockBackwards, c.Now().Time().Format(time.RFC3339Nano))
	}
	if err := durable.Replace(c.path, []byte(to.UTC().Format(time.RFC3339Nano)+"\n")); err != nil {
		return fmt.Errorf("test clock: %w", err)
	}
	return c.TestClock.Set(to)
}
