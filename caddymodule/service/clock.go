package service

import (
	"errors"
	"fmt"
	"hash/crc32"
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
		if at, err = parseClock(string(text)); err != nil {
			return nil, fmt.Errorf("test clock: %s is damaged: %w: %s", s.path("clock"), err, setClock)
		}
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("test clock: %w", err)
	case s.journal.Head().Seq > 0:
		return nil, fmt.Errorf("test clock: %s is missing, and the ledger has a past: %s", s.path("clock"), setClock)
	case at.IsZero():
		at = time.Now().UTC().Truncate(time.Second)
	}
	c := &testClock{TestClock: meter.NewTestClock(at), path: s.path("clock")}
	return c, c.Set(at)
}

// setClock is the way out of a file that cannot be read.
const setClock = "restore it from a backup, or write into it the instant at which the ledger's time stood, such as 2026-11-30T12:00:00Z"

// parseClock reads the instant and its check, which may be missing: an operator
// writes none.
func parseClock(text string) (time.Time, error) {
	fields := strings.Fields(text)
	if len(fields) == 0 || len(fields) > 2 {
		return time.Time{}, errors.New("it has no instant")
	}
	if len(fields) == 2 && fields[1] != clockCheck(fields[0]) {
		return time.Time{}, errors.New("it fails its check")
	}
	return time.Parse(time.RFC3339Nano, fields[0])
}

func clockCheck(instant string) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(instant)))
}

// Set moves the clock forward and writes down where it is.
func (c *testClock) Set(to time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to.UnixNano() < c.Now().Event {
		return fmt.Errorf("%w: it is %s", meter.ErrClockBackwards, c.Now().Time().Format(time.RFC3339Nano))
	}
	instant := to.UTC().Format(time.RFC3339Nano)
	if err := durable.Replace(c.path, []byte(instant+" "+clockCheck(instant)+"\n")); err != nil {
		return fmt.Errorf("test clock: %w", err)
	}
	return c.TestClock.Set(to)
}
