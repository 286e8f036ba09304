package service

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter"
)

// TestExposureIsWhatWillBeDebited: of open counters and of debts, before the
// settlement and after it, also where two periods are open.
func TestExposureIsWhatWillBeDebited(t *testing.T) {
	s := open(t, testConfig(t, t.TempDir()))
	k := customer(t, s, "acme", "0.10")
	do(t, s, "acme", &account.ChangeAccount{CreditLimit: ptr("5.00")})
	customer(t, s, "other", "1.00")
	call(t, s, k, "recognition/image-tagging", 10+7) // 10 are free
	check := func(when string, unsettled, debts int64) {
		t.Helper()
		x, err := s.expose()
		if err != nil || int64(x.Unsettled) != unsettled || int64(x.Debts) != debts {
			t.Errorf("%s: %+v, %v; want %d and %d", when, x, err, unsettled, debts)
		}
	}
	check("open", 11, 0) // 7 × 0.015, rounded
	s.settleLock.Lock()  // the loop may not settle the first hour yet
	if err := s.clock.(*testClock).Set(time.Date(2026, 11, 30, 23, 10, 0, 0, zone)); err != nil {
		t.Fatal(err)
	}
	call(t, s, k, "recognition/image-tagging", 100)
	check("two hours open", 157, 0) // 100 × 0.015 and 7 × 0.010
	s.settleLock.Unlock()
	advance(t, s, time.Date(2026, 12, 1, 0, 0, 0, 0, zone))
	if b := balance(t, s, "acme"); b != "-1.47" {
		t.Errorf("balance %s", b)
	}
	check("settled", 0, 147)
}

// TestExposureIsKept for some seconds, however often it is asked for.
func TestExposureIsKept(t *testing.T) {
	s := open(t, testConfig(t, t.TempDir()))
	k := customer(t, s, "acme", "1.00")
	_, first, err := s.Exposure()
	if err != nil {
		t.Fatal(err)
	}
	call(t, s, k, "recognition/image-tagging", 20)
	x, at, err := s.Exposure()
	if err != nil || !at.Equal(first) || x.Unsettled != 0 {
		t.Errorf("%+v of %s, %v; the first was of %s", x, at, err, first)
	}
	s.exposure.at = s.exposure.at.Add(-time.Minute)
	if x, at, err = s.Exposure(); err != nil || at.Equal(first) || x.Unsettled != 15 {
		t.Errorf("later: %+v of %s, %v", x, at, err)
	}
}

// BenchmarkExposure prices 2 lines each of many accounts.
func BenchmarkExposure(b *testing.B) {
	const accounts = 100_000
	s := open(b, testConfig(b, b.TempDir()))
	var all sync.WaitGroup
	for w := range 64 {
		all.Go(func() {
			for n := w; n < accounts; n += 64 {
				do(b, s, fmt.Sprint("a", n), &account.CreateAccount{CreditLimit: "1000.00"})
			}
		})
	}
	all.Wait()
	for n := range uint32(accounts) {
		hash := [32]byte{byte(n), byte(n >> 8), byte(n >> 16), 1}
		s.meter.AddKey(meter.Secret, hash, n+1, "")
		k, _ := s.meter.Identify(meter.Secret, hash)
		call(b, s, k, "recognition/image-tagging", 12)
	}
	for b.Loop() {
		if _, err := s.expose(); err != nil {
			b.Fatal(err)
		}
	}
}
