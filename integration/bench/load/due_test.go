package load

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/bench/stats"
)

func TestDue(t *testing.T) {
	draw := func(rate float64, a time.Duration) []time.Duration { return Due(rate, a, rand.New(rand.NewPCG(1, 2))) }
	due := draw(1000, 10*time.Second)
	// The number is Poisson's: 10,000 within 100 at one standard deviation.
	if n := len(due); math.Abs(float64(n)-10_000) > 400 || !slices.IsSorted(due) || due[0] <= 0 || due[n-1] >= 10*time.Second {
		t.Errorf("%d due, the first at %s, the last at %s", n, due[0], due[n-1])
	}
	short := 0 // gaps below their mean, of which an exponential one is with 1 - 1/e
	for i := range due[1:] {
		if due[i+1]-due[i] < time.Millisecond {
			short++
		}
	}
	if part := float64(short) / float64(len(due)-1); math.Abs(part-0.632) > 0.03 {
		t.Errorf("%.3f of the gaps are below the mean", part)
	}
	if !slices.Equal(due, draw(1000, 10*time.Second)) {
		t.Error("the same seed drew others")
	}
	if rare := draw(1, time.Nanosecond); len(rare) != 1 {
		t.Errorf("%d due in a moment, want one", len(rare))
	}
}

// server answers as do says, which is told how many requests there were before.
type server struct {
	mu   sync.Mutex
	sent []time.Time
	do   func(n int)
}

func (s *server) Close() error { return nil }
func (s *server) Do() error {
	s.mu.Lock()
	n := len(s.sent)
	s.sent = append(s.sent, time.Now())
	s.mu.Unlock()
	s.do(n)
	return nil
}

func (s *server) at(t *testing.T, clients int, due []time.Duration) []time.Duration {
	t.Helper()
	var crowd Crowd
	for range clients {
		crowd = append(crowd, s)
	}
	latencies, err := crowd.At(t.Context(), due)
	if err != nil || len(latencies) != len(due) || len(s.sent) != len(due) {
		t.Fatalf("%d latencies of %d requests, %d due: %v", len(latencies), len(s.sent), len(due), err)
	}
	return latencies
}

// TestAt: where clients are free, requests are sent when they are due.
func TestAt(t *testing.T) {
	s := &server{do: func(int) {}}
	due := Due(500, 200*time.Millisecond, rand.New(rand.NewPCG(3, 4)))
	began := time.Now()
	latencies := s.at(t, 8, due)
	var late []time.Duration
	for i, at := range due {
		late = append(late, s.sent[i].Sub(began)-at-lead)
	}
	if slices.Min(late) < 0 || slices.Min(latencies) < 0 {
		t.Errorf("sent before it was due: by %s", -slices.Min(late))
	}
	if some := stats.Quantile(late, 0.25); some > 150*time.Microsecond { // all the latest may be the machine's
		t.Errorf("three of four are sent more than %s late, as by the runtime's timers", some)
	}
}

// TestLateAnswer: behind an answer that is late, a request is late as well, by all
// that it waited for its client.
func TestLateAnswer(t *testing.T) {
	const slow = 50 * time.Millisecond
	s := &server{do: func(n int) {
		if n == 0 {
			time.Sleep(slow)
		}
	}}
	due := []time.Duration{0, time.Millisecond, 10 * time.Millisecond, 2 * slow}
	latencies := s.at(t, 1, due)
	for i, at := range due[:3] {
		if latencies[i] < slow-at {
			t.Errorf("request %d, due at %s, took %s", i, at, latencies[i])
		}
	}
	if latencies[3] >= slow {
		t.Errorf("one that was due after the late answer took %s", latencies[3])
	}
}

// TestAnotherClient: no request waits for a client while another one is free.
func TestAnotherClient(t *testing.T) {
	last := make(chan struct{})
	s := &server{do: func(n int) {
		switch n {
		case 0:
			select {
			case <-last:
			case <-time.After(10 * time.Second):
				t.Error("all wait for one answer")
			}
		case 3:
			close(last)
		}
	}}
	s.at(t, 2, []time.Duration{0, 1, 2, 3})
}

// TestAtFails tells what a client met, and that the run was ended.
func TestAtFails(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Crowd{&server{do: func(int) {}}}).At(ended, []time.Duration{0}); err == nil {
		t.Error("a run that was ended is none")
	}
	if _, err := (Crowd{failing{}}).At(t.Context(), []time.Duration{0}); err == nil {
		t.Error("a request that fails is no error")
	}
}

type failing struct{}

func (failing) Close() error { return nil }
func (failing) Do() error    { return context.DeadlineExceeded }
