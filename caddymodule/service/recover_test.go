package service

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/meter"
	"github.com/tallygate/tallygate/meter/tally"
)

// TestRefoldKeepsWhatAPackageHasLeft (D18).
func TestRefoldKeepsWhatAPackageHasLeft(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	k := customer(t, s, "acme", "1.00")
	do(t, s, "acme", &account.BuyPackage{Package: "tagging-50"})
	call(t, s, k, "recognition/image-tagging", 10+45)
	advance(t, s, time.Date(2026, 11, 30, 23, 0, 0, 0, zone))
	shut(t, s)
	if err := os.RemoveAll(filepath.Join(c.Dir, "badger")); err != nil {
		t.Fatal(err)
	}
	s = open(t, c)
	call(t, s, find(t, s, "acme"), "recognition/image-tagging", 7)
	advance(t, s, time.Date(2026, 12, 1, 0, 0, 0, 0, zone))
	if b := balance(t, s, "acme"); b != "0.47" { // 1.00 − 0.50 − 2 × 0.015
		t.Errorf("balance %s, want 0.47", b)
	}
}

// TestSettlementsAndCommandsAtOnce loses and doubles nothing: calls, purchases,
// settlements on demand, advances of the clock and reloads run into one another
// and into the stop, again and again over one ledger.
func TestSettlementsAndCommandsAtOnce(t *testing.T) {
	c := testConfig(t, t.TempDir())
	var calls, paid uint64
	for round := range 3 {
		s := open(t, c)
		if round == 0 {
			customer(t, s, "acme", "")
			do(t, s, "acme", &account.ChangeAccount{CreditLimit: ptr("1000000.00")})
		}
		k := find(t, s, "acme")
		stop := make(chan struct{})
		var all sync.WaitGroup
		var mu sync.Mutex
		loop := func(f func()) {
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						f()
					}
				}
			})
		}
		for range 2 {
			loop(func() {
				h, v := s.meter.Admit(meter.Call{Key: k, Operation: 1})
				if v.Reason != 0 {
					return
				}
				s.meter.Post(&h)
				mu.Lock()
				calls++
				mu.Unlock()
			})
		}
		loop(func() { _, _ = s.SettleNow(t.Context()) })
		loop(func() { _ = s.Advance(t.Context(), s.Now().Add(17*time.Minute)) })
		loop(func() {
			n := c.Settings
			n.FlushInterval = []time.Duration{time.Hour, 10 * time.Minute, time.Minute}[s.Now().Minute()%3]
			_ = s.Apply(n)
		})
		loop(func() {
			if a, err := s.engine.Account("acme"); err == nil {
				s.OpenCounts(a.Number, 0)
			}
		})
		for i := range 10 {
			do(t, s, "acme", &account.TopUp{Amount: "0.01", Reference: fmt.Sprint(i)})
			paid++
		}
		shut(t, s)
		close(stop)
		all.Wait()
	}
	s := open(t, c)
	advance(t, s, s.Now().Add(2*time.Hour))
	var counted uint64
	a, err := s.engine.Account("acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hours(t, s, a.Number) {
		for _, charge := range h.Charges {
			if charge.Kind.Billed() {
				counted += charge.Calls
			}
		}
	}
	if counted != calls || calls == 0 || uint64(a.Movements) != paid {
		t.Errorf("%d calls settled of %d, %d movements of %d", counted, calls, a.Movements, paid)
	}
}

func ptr[T any](v T) *T { return &v }

func hours(t *testing.T, s *Service, number uint32) (list []ledger.BlockHour) {
	t.Helper()
	end := int64(-1)
	for h, err := range s.store.Hours(ledger.BlockOf(number), 0, math.MaxInt64) {
		if err != nil {
			t.Fatal(err)
		}
		if h.Start < end {
			t.Errorf("the period at %d begins before %d, where the last one ended", h.Start, end)
		}
		end = h.Start + h.Length
		list = append(list, h)
	}
	return list
}

// TestOpenAgainAfterAFailedOpen: what the failed one had opened is closed.
func TestOpenAgainAfterAFailedOpen(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	k := customer(t, s, "acme", "10.00")
	call(t, s, k, "recognition/image-tagging", 20)
	shut(t, s)
	bad := filepath.Join(c.Dir, "tally", "20301231T000000Z.tally")
	if err := os.WriteFile(bad, []byte("no tally"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(c); err == nil || !strings.Contains(err.Error(), bad) {
		t.Fatalf("opened with a damaged tally: %v", err)
	}
	if err := tally.Remove(bad); err != nil {
		t.Fatal(err)
	}
	s = open(t, c)
	advance(t, s, time.Date(2026, 12, 1, 0, 0, 0, 0, zone))
	if b := balance(t, s, "acme"); b != "9.85" {
		t.Errorf("balance %s, want 9.85", b)
	}
}
