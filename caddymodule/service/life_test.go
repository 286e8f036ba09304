package service

import (
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating"
)

// listener keeps what the gateway tells.
type listener struct {
	mu   sync.Mutex
	told []Notice
}

func (l *listener) hear(n Notice) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, n)
}

// count is how often an event of a kind was told, and how often again.
func (l *listener) count(kind account.EventKind) (first, again int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.told {
		switch {
		case n.Kind != kind:
		case n.Repeated:
			again++
		default:
			first++
		}
	}
	return first, again
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal(what)
}

func kinds(t testing.TB, s *Service, id string) (list []account.EventKind) {
	t.Helper()
	events, err := s.engine.Events(id, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		list = append(list, e.Kind)
	}
	return list
}

// TestReleaseWaitsForRestarts takes an account into arrears and lets the gateway
// rest over grace and retention: every state is passed and recorded in order,
// but nothing is released before the gateway has been up for a day (D20, D23).
func TestReleaseWaitsForRestarts(t *testing.T) {
	c := testConfig(t, t.TempDir())
	var heard listener
	c.Tell = heard.hear
	s := open(t, c)
	k := customer(t, s, "acme", "0.01")
	call(t, s, k, "recognition/image-tagging", 20)
	advance(t, s, time.Date(2026, 11, 30, 23, 0, 0, 0, zone)) // arrears: an hour of grace, one of retention
	shut(t, s)
	c.TestStart = time.Time{}
	s = open(t, c)
	start := s.Now()
	advance(t, s, start.Add(23*time.Hour))
	if _, reason := call(t, s, find(t, s, "acme"), "recognition/image-tagging", 1); reason != account.InArrears {
		t.Fatalf("a restart less than a day ago: %s, want arrears (D23)", reason)
	}
	advance(t, s, start.Add(24*time.Hour))
	if _, reason := call(t, s, find(t, s, "acme"), "recognition/image-tagging", 1); reason != account.Released {
		t.Fatalf("a day after the restart: %s, want released", reason)
	}
	want := []account.EventKind{account.EventArrears, account.NoticeStatement, account.EventRetention, account.EventReleased}
	if got := kinds(t, s, "acme"); !equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	if n := s.Unacknowledged(); n != 1 {
		t.Errorf("%d releases are not acknowledged, want 1", n)
	}
	advance(t, s, start.Add(26*time.Hour))
	until(t, "the release was not told, and told again", func() bool {
		first, again := heard.count(account.EventReleased)
		return first == 1 && again >= 1
	})
	do(t, s, "acme", &account.AcknowledgeRelease{})
	if n := s.Unacknowledged(); n != 0 {
		t.Errorf("%d releases after the acknowledgement, want 0", n)
	}
	shut(t, s)
	s = open(t, c)
	if _, reason := call(t, s, find(t, s, "acme"), "recognition/image-tagging", 1); reason != account.Released {
		t.Fatalf("released is final, also after a restart: %s (D20)", reason)
	}
}

func equal[T comparable](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// TestMonthsCloseWithoutCalls lets half a year pass at once: the statements of
// the months in which something happened close in order, each with what was due
// in it.
func TestMonthsCloseWithoutCalls(t *testing.T) {
	s := open(t, testConfig(t, t.TempDir()))
	customer(t, s, "acme", "10.00")
	do(t, s, "acme", &account.BuyPackage{Package: "tagging-50", AutoRenew: true})
	advance(t, s, time.Date(2027, 5, 15, 12, 0, 0, 0, zone))
	records, err := s.engine.Statements("acme")
	if err != nil || len(records) != 6 {
		t.Fatalf("%d closed statements, %v; want November to April", len(records), err)
	}
	for i, r := range records {
		st := statement(t, s, "acme", rating.Month(r.Month))
		if !st.Closed || r.Number != uint32(i+1) || st.Purchases != "0.50" {
			t.Errorf("%s: closed %t, number %d, purchases %s; want one package in each month", st.Month, st.Closed, r.Number, st.Purchases)
		}
	}
	if v, err := s.engine.Verify(t.Context(), "", func(uint64, uint64) {}); err != nil || len(v.Differences) > 0 || v.Accounts != 1 {
		t.Errorf("verify: %+v, %v", v, err)
	}
}
