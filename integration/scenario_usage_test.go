package integration

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const tagging = "recognition/image-tagging"

// TestUsageNow asks for usage, and for settlements, while calls are made and
// periods of a second are settled: no answer leaves out a call that had ended,
// or has one twice.
func TestUsageNow(t *testing.T) {
	t.Parallel()
	s := newScene(t, "", "flush_interval 1h", "flush_interval 1s")
	key := s.account("acme", "10.00")
	var begun, ended atomic.Int64
	stop := make(chan struct{})
	var callers sync.WaitGroup
	callers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			begun.Add(1)
			if a := s.call(tag("acme", key)); a.Status != 200 {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
			ended.Add(1)
			time.Sleep(2 * time.Millisecond)
		}
	})
	var settled [4]map[int64]bool
	var readers sync.WaitGroup
	for i := range settled {
		settled[i] = map[int64]bool{}
		readers.Go(func() {
			for end := time.Now().Add(4 * time.Second); time.Now().Before(end) && !t.Failed(); {
				least := ended.Load()
				if i < 2 { // two operators at once
					s.settle()
				}
				u := s.usage("acme")
				most := begun.Load()
				if n := u.counted()[tagging]; n < least || n > most {
					t.Errorf("usage has %d calls; %d had ended before it was asked for, %d begun when it was told: %+v", n, least, most, u.Lines)
				}
				sum := int64(0)
				for _, l := range u.Lines {
					sum += l.Settled
				}
				if settled[i][sum] = true; i < 2 && sum < least {
					t.Errorf("%d calls are settled; %d had ended before it was asked for", sum, least)
				}
			}
		})
	}
	readers.Wait()
	close(stop)
	callers.Wait()
	if len(settled[0]) < 3 {
		t.Errorf("only %d settled figures were seen", len(settled[0]))
	}
}

// TestSettlementUnderTraffic moves a test clock through two days and a month's
// end, and settles in between, while calls go on: each is on one statement.
func TestSettlementUnderTraffic(t *testing.T) {
	t.Parallel()
	clock, at := testClock("2026-11-29T12:30:00+08:00")
	s := newScene(t, monthEndBook, clock, at)
	accounts := []string{"one", "two", "three"}
	counted := make([]atomic.Int64, len(accounts))
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for i, account := range accounts {
		key := s.account(account, "100000.00") // for as many calls as there is time for
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if a := s.call(tag(account, key)); a.Status == 200 {
					counted[i].Add(1)
				} else {
					t.Errorf("%s: status %d: %s", account, a.Status, a.Body)
				}
			}
		})
	}
	for hour := range 50 {
		if hour%10 == 3 {
			s.settle()
		}
		for i := range counted { // every hour has calls of every account
			before := counted[i].Load()
			eventually(t, "a call of "+accounts[i], 20*time.Second, func() bool { return counted[i].Load() > before || t.Failed() })
		}
		s.do("POST", "/clock/advance", map[string]any{"by": "1h"}, nil)
	}
	close(stop)
	callers.Wait()
	s.advance("2026-12-02T00:00:00+08:00")
	for i, account := range accounts {
		november, december := s.statement(account, "2026-11"), s.statement(account, "2026-12")
		november.check(t, monthEndPrices)
		december.check(t, monthEndPrices)
		if n := november.counted()[tagging] + december.counted()[tagging]; n != counted[i].Load() {
			t.Errorf("%s: %d calls are on the statements, %d were answered", account, n, counted[i].Load())
		}
		if november.Closing != december.Opening {
			t.Errorf("%s: November closes with %s, December opens with %s", account, november.Closing, december.Opening)
		}
	}
}
