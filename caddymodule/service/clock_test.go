package service

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/web"
)

// heardLog is a log that a test reads.
type heardLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *heardLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *heardLog) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

const day = 24 * time.Hour

// onWall is a ledger that follows a wall clock which the test shifts.
func onWall(t *testing.T) (Config, func(time.Duration), *heardLog) {
	var off atomic.Int64
	log := &heardLog{}
	c := testConfig(t, t.TempDir())
	c.Test, c.TestStart, c.ClockGap = false, time.Time{}, 31*day
	c.FlushInterval, c.SealWait = time.Second, 100*time.Millisecond
	c.Logger = slog.New(slog.NewTextHandler(log, nil))
	c.wallShift = func() time.Duration { return time.Duration(off.Load()) }
	return c, func(by time.Duration) { off.Store(int64(by)) }, log
}

// TestDoubtedWallClock: while it is doubted, calls are counted and commands
// accepted, and nothing is settled; the log says so once. When it is right again by
// itself, all goes on.
func TestDoubtedWallClock(t *testing.T) {
	for _, by := range []time.Duration{400 * day, -400 * day, 2 * time.Hour, -2 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			c, shift, log := onWall(t)
			s := open(t, c)
			k := customer(t, s, "acme", "2.00")
			if s.Clock().Suspended || s.Clock().Wall.Sub(s.Now()).Abs() > time.Minute {
				t.Fatalf("a new ledger doubts its clock: %+v", s.Clock())
			}
			shift(by)
			until(t, "the clock is doubted", s.doubted)
			call(t, s, k, "recognition/image-tagging", 60)
			if _, err := s.SettleNow(t.Context()); !errors.Is(err, web.ErrClockDoubted) {
				t.Fatalf("settled now: %v", err)
			}
			settled := s.engine.SettledUntil()
			start := s.Now()
			until(t, "periods roll", func() bool { return s.Now().Sub(start) > 2500*time.Millisecond && len(s.meter.Ended()) > 1 })
			call(t, s, k, "recognition/image-tagging", 50)
			if got := s.engine.SettledUntil(); got != settled {
				t.Fatalf("settled until %d, and %d when the clock was doubted first", got, settled)
			}
			do(t, s, "acme", &account.TopUp{Amount: "1.00", Reference: "r"})
			if st := s.Status(); !st.ClockSuspended || (st.ClockDisagreement-by).Abs() > time.Minute {
				t.Errorf("the status says %t, %s", st.ClockSuspended, st.ClockDisagreement)
			}
			if n := log.count("until the wall clock is right again"); n != 1 {
				t.Errorf("the log says it %d times", n)
			}
			shift(time.Minute)
			until(t, "it goes on", func() bool { return !s.doubted() && balance(t, s, "acme") == "1.50" })
			if n := log.count("agree again"); n != 1 {
				t.Errorf("the log says %d times that it is over", n)
			}
			if err := s.AcceptClock(s.Now()); !errors.Is(err, web.ErrNotDoubted) {
				t.Errorf("accepted what is followed: %v", err)
			}
		})
	}
}

// TestAcceptedWallClock: what the operator accepts is what was seen, and becomes
// event time; then everything is settled, in order, and nobody is released for a
// day.
func TestAcceptedWallClock(t *testing.T) {
	for _, by := range []time.Duration{400 * day, -400 * day} {
		t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			c, shift, _ := onWall(t)
			c.Policy.Law = account.Law{Grace: 2 * 24 * 3600, Retention: 2 * 24 * 3600}
			s := open(t, c)
			k := customer(t, s, "acme", "")
			call(t, s, k, "recognition/image-tagging", 60) // 0.75 to pay
			shift(by)
			until(t, "the clock is doubted", s.doubted)
			want := "-0.75"
			if n, _ := call(t, s, k, "recognition/image-tagging", 1); n == 1 { // it is not in arrears yet
				want = "-0.77"
			}
			called := s.Now().Unix()
			until(t, "the calls' period ends", func() bool {
				ended := s.meter.Ended()
				return len(ended) > 0 && ended[len(ended)-1].Start >= called
			})
			was := s.engine.SettledUntil()
			for _, wrong := range []time.Duration{-by, 2 * time.Minute, -2 * time.Minute} {
				if err := s.AcceptClock(s.Clock().Wall.Add(wrong)); !errors.Is(err, web.ErrOtherWall) {
					t.Fatalf("%s off: %v", wrong, err)
				}
			}
			if err := s.AcceptClock(s.Clock().Wall.Add(-30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if now := s.Clock(); now.Suspended || now.Disagreement.Abs() > time.Minute {
				t.Fatalf("after it was accepted: %+v", now)
			}
			if by > 0 {
				if got := s.engine.SettledUntil(); got < was+int64(by/time.Second)-60 {
					t.Errorf("settled until %d, want about %s after %d", got, by, was)
				}
			}
			until(t, "what was counted is settled", func() bool { return len(s.meter.Ended()) == 0 && balance(t, s, "acme") == want })
			a, err := s.engine.Account("acme")
			if err != nil || a.Released != 0 {
				t.Fatalf("released at %d, %v", a.Released, err)
			}
			if from := time.Unix(s.engine.ReleasesFrom(), 0).Sub(s.Now()); from < day-time.Minute || from > day+time.Second {
				t.Errorf("releases in %s", from)
			}
			if by < 0 {
				if _, err := s.SettleNow(t.Context()); !errors.Is(err, web.ErrClockBehind) {
					t.Errorf("settled an hour that lies 400 days ahead: %v", err)
				}
			}
			call(t, s, k, "recognition/image-tagging", 1)
			wall := s.Now()
			shut(t, s)
			s = open(t, c) // the wall clock is what was accepted, but for the shift
			if last := s.Clock().LastKnown; last.Sub(wall).Abs() > time.Minute {
				t.Errorf("%s is known, it was %s", last, wall)
			}
			if v, err := s.engine.Verify(t.Context(), "", func(uint64, uint64) {}); err != nil || len(v.Differences) > 0 {
				t.Errorf("verify: %+v, %v", v, err)
			}
		})
	}
}

// mark writes where the clock stood, by an event time relative to the wall's.
func mark(t *testing.T, c Config, by time.Duration) {
	t.Helper()
	path := c.Dir + "/wallclock"
	m, err := readMark(path)
	if err == nil {
		m.Event = time.Now().Add(by).UnixNano()
		err = writeMark(path, m)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestStartsAfterTheClockMoved: a downtime is normal, and what is more than that,
// or goes back, is for an operator.
func TestStartsAfterTheClockMoved(t *testing.T) {
	t.Parallel()
	c, _, log := onWall(t)
	s := open(t, c)
	customer(t, s, "acme", "2.00")
	shut(t, s)
	for known, doubted := range map[time.Duration]bool{-time.Second: false, -30 * day: false, -32 * day: true, -400 * day: true,
		4 * time.Minute: false, 6 * time.Minute: true, 400 * day: true} {
		mark(t, c, known)
		s = open(t, c)
		if s.doubted() != doubted || s.Clock().LastKnown.IsZero() {
			t.Errorf("the clock stood at %s of the wall clock: doubted %t", known, s.doubted())
		}
		at := time.Until(s.Now())
		if want := map[bool]time.Duration{true: known, false: 0}[doubted]; (at-want).Abs() > time.Minute && known > 0 == (at > 0) {
			t.Errorf("the clock stood at %s of the wall clock: it starts at %s", known, at)
		}
		shut(t, s)
		if m, err := readMark(c.Dir + "/wallclock"); err != nil || (time.Until(time.Unix(0, m.Event))-at).Abs() > time.Minute {
			t.Errorf("the stop left %+v, %v", m, err)
		}
	}
	c.ClockGap = 500 * day
	mark(t, c, -400*day)
	if s = open(t, c); s.doubted() {
		t.Error("clock_gap 500d doubts a gap of 400d")
	}
	shut(t, s)
	if n := log.count("cannot be used"); n != 0 {
		t.Errorf("the log complains %d times", n)
	}
}

// TestWithoutTheMark of the clock, the journal knows nearly as much.
func TestWithoutTheMark(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"removed":   os.Remove,
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"cut":       func(path string) error { return os.Truncate(path, 20) },
		"nonsense":  func(path string) error { return os.WriteFile(path, []byte("{}\n"), 0o600) },
		"of others": func(path string) error { return writeMark(path, billing.ClockMark{Event: 5, Input: 1 << 40}) },
		"changed": func(path string) error {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, bytes.Replace(text, []byte("1"), []byte("2"), 1), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _, log := onWall(t)
			s := open(t, c)
			customer(t, s, "acme", "2.00")
			at := s.Now()
			shut(t, s)
			if err := spoil(c.Dir + "/wallclock"); err != nil {
				t.Fatal(err)
			}
			s = open(t, c)
			if last := s.Clock().LastKnown; s.doubted() || at.Sub(last).Abs() > time.Minute {
				t.Errorf("doubted %t, %s is known, it was %s", s.doubted(), last, at)
			}
			if n := log.count("cannot be used"); n != 1 {
				t.Errorf("the log says %d times that it is damaged", n)
			}
			shut(t, s)
			if _, err := readMark(c.Dir + "/wallclock"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTestClockIsNeverDoubted, whatever the machine's clock says.
func TestTestClockIsNeverDoubted(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	advance(t, s, s.Now().Add(400*day))
	if now := s.Clock(); now.Suspended || !now.TestClock || !errors.Is(s.AcceptClock(now.Wall), web.ErrNotDoubted) {
		t.Errorf("%+v", now)
	}
	shut(t, s)
	if _, err := os.Stat(c.Dir + "/wallclock"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a test ledger has a mark of the wall clock: %v", err)
	}
}
