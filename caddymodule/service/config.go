package service

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter/tally"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Config is what a gateway runs with.
type Config struct {
	Dir    string // the ledger folder
	Anchor string // see journal.Config
	Node   string
	Zone   *time.Location

	// Test makes the ledger, when it is created, a test ledger whose clock
	// stands still at TestStart until it is advanced.
	Test      bool
	TestStart time.Time

	// ClockGap is by how much the wall clock may be ahead of the last known time
	// at a start and is still believed: the gateway was down.
	ClockGap time.Duration

	SyncInterval time.Duration
	Reserve      uint64 // bytes of disk below which nothing is accepted; 0 = as the ledger asks for, which grows with it
	Ballast      int64  // bytes kept for a full disk, 0 = none
	Settings
	Logger *slog.Logger

	wallShift func() time.Duration             // see meter.NewWallClock; nil = as the failpoints say
	free      func(dir string) (uint64, error) // tests fill the disk with it
}

// Settings may change while the gateway runs.
type Settings struct {
	Book          *pricebook.Book
	Policy        account.Policy
	FlushInterval time.Duration // the settlement period, a divisor of an hour
	SealWait      time.Duration // how long a period waits for its calls (D6)
	Finance       [32]byte      // SHA-256 of the token of who may adjust balances (D36); zero = nobody may
	LetThrough    bool          // calls that cannot be counted run, and are recorded; else they are refused
	Tell          func(Notice)  // passes events on; may be nil. It may take its time
}

var nodePattern = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Check refuses a configuration that cannot run, naming the setting.
func (c Config) Check() error {
	if err := rating.CheckInterval(c.FlushInterval); err != nil {
		return fmt.Errorf("flush_interval: %w", err)
	}
	switch {
	case c.SealWait < 0:
		return fmt.Errorf("seal_wait %s: must not be negative", c.SealWait)
	case c.Reserve > 0 && c.Reserve < MinReserve:
		return fmt.Errorf("reserve %s: the ledger needs %s to write out its memory: set it higher", mib(c.Reserve), mib(MinReserve))
	case c.Ballast != 0 && c.Ballast < MinBallast:
		return fmt.Errorf("ballast %s: to start on a full disk takes %s: set it higher, or 0 for none", mib(uint64(max(c.Ballast, 0))), mib(MinBallast))
	case c.SyncInterval < 0:
		return fmt.Errorf("sync_interval %s: must not be negative", c.SyncInterval)
	case !c.Test && c.ClockGap <= 0:
		return fmt.Errorf("clock_gap %s: must be above zero", c.ClockGap)
	case c.Policy.Grace < 0 || c.Policy.Retention < 0:
		return errors.New("arrears: grace and retention must not be negative")
	case c.Policy.Purchases < 1:
		return errors.New("subscriptions: purchases_per_month must be 1 or more")
	case c.anchorInside():
		return fmt.Errorf("anchor %s: must not be in the ledger's folder: it tells when that was replaced by an older copy", c.Anchor)
	case !nodePattern.MatchString(c.Node):
		return fmt.Errorf("node %q: use 1 to 32 of a-z, 0-9 and -", c.Node)
	}
	return nil
}

func (c Config) syncInterval() time.Duration {
	return cmp.Or(c.SyncInterval, tally.DefaultSyncInterval)
}

// anchorInside reports whether the anchor is in the folder that it watches.
func (c Config) anchorInside() bool {
	anchor, err := filepath.Abs(c.Anchor)
	return c.Anchor != "" && err == nil && strings.HasPrefix(anchor, c.Dir+string(filepath.Separator))
}
