package scale

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/tallygate/tallygate/integration/bench/origin"
	"github.com/tallygate/tallygate/integration/bench/stats"
	"github.com/tallygate/tallygate/integration/bench/world"
)

// sample is one request: when it was sent, and how long its answer took.
type sample struct {
	at   time.Time
	took time.Duration
}

// traffic is callers at a steady pace: each sends its next request when it is
// time, or when the last one is answered, whichever is later.
type traffic struct {
	stop    context.CancelFunc
	all     sync.WaitGroup
	mu      sync.Mutex
	samples []sample
	err     error
}

// steady runs so many callers, each with so many requests a second.
func steady(ctx context.Context, callers, perSecond int, seed uint64, request func(context.Context, *rand.Rand) error) *traffic {
	running, stop := context.WithCancel(ctx)
	t := &traffic{stop: stop}
	interval := time.Second / time.Duration(perSecond)
	for c := range callers {
		t.all.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(c)))
			next := time.Now().Add(time.Duration(random.Int64N(int64(interval))))
			for running.Err() == nil {
				time.Sleep(time.Until(next))
				at := time.Now()
				err := request(ctx, random)
				took := time.Since(at)
				t.mu.Lock()
				if err != nil && t.err == nil {
					t.err = err
				}
				t.samples = append(t.samples, sample{at, took})
				t.mu.Unlock()
				next = next.Add(interval)
				if late := time.Now(); late.After(next) {
					next = late
				}
			}
		})
	}
	return t
}

// end stops the callers and waits for their last answers.
func (t *traffic) end() error {
	t.stop()
	t.all.Wait()
	return t.err
}

// between are the latencies of the requests that were sent in an interval.
func (t *traffic) between(from, to time.Time) (took []time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.samples {
		if !s.at.Before(from) && s.at.Before(to) {
			took = append(took, s.took)
		}
	}
	return took
}

// p99 of latencies, in milliseconds.
func p99(took []time.Duration) float64 { return milliseconds(stats.Quantile(took, 0.99)) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// calls makes metered calls of random accounts.
func (s *site) calls(accounts int) func(context.Context, *rand.Rand) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	paths := []string{origin.Tagging, origin.Detection}
	picture := bytes.Repeat([]byte("x"), 400)
	return func(ctx context.Context, random *rand.Rand) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.http+paths[random.IntN(2)], bytes.NewReader(picture))
		if err != nil {
			return err
		}
		req.Header.Set("X-Api-Key", world.Secret(random.IntN(accounts)))
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("a call was answered %s", res.Status)
		}
		return nil
	}
}

// topups pay into random accounts.
func (s *site) topups(accounts int) func(context.Context, *rand.Rand) error {
	return func(ctx context.Context, random *rand.Rand) error {
		return s.gateway.API(ctx, http.MethodPost, "/accounts/"+world.Name(random.IntN(accounts))+"/topups",
			map[string]string{"amount": "0.01", "reference": "bench"}, nil)
	}
}
