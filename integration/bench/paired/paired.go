// Package paired compares servers under load, in slices of 60 to 100 ms. All
// servers run all the time. In every round each has one slice, in an order drawn
// anew, and is idle in those of the others, so that whatever else the machine
// does meets all of them alike. A pair is two slices of one round.
//
//	slices, err := paired.Run(ctx, sites, 200, random)
//	report.Add(paired.CPURatio("cpu_ratio_metered_vs_bare", slices["metered"], slices["bare"], seed))
package paired

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tallygate/tallygate/integration/bench/load"
)

const (
	sliceMin = 60 * time.Millisecond
	sliceMax = 100 * time.Millisecond
	// rest follows the last answer of a slice and belongs to it: what the server
	// does after it has answered is its own work.
	rest = 2 * time.Millisecond
)

// Site is a server, with its clients.
type Site struct {
	Name  string
	PID   int
	Crowd load.Crowd
}

// Close ends the clients of all sites.
func Close(sites []*Site) {
	for _, s := range sites {
		s.Crowd.Close() // nothing is under way any more that could fail
	}
}

// Slice is what one site did in one round.
type Slice struct {
	CPU       time.Duration // of the server
	Wall      time.Duration // from the first request to the last answer
	Latencies []time.Duration
}

// Slices are those of each site, by its name, in the order of the rounds.
type Slices map[string][]Slice

// Append takes further rounds of the same sites.
func (s Slices) Append(more Slices) {
	for name, slices := range more {
		s[name] = append(s[name], slices...)
	}
}

// Requests is how many were answered.
func Requests(slices []Slice) (n int) {
	for _, s := range slices {
		n += len(s.Latencies)
	}
	return n
}

// Run measures rounds of all sites, where each client sends its next request when the
// one before is answered.
func Run(ctx context.Context, sites []*Site, rounds int, random *rand.Rand) (Slices, error) {
	return RunAt(ctx, sites, rounds, 0, random)
}

// RunAt measures rounds in which so many requests a second are due, at the same times
// for all sites of a round; a rate of 0 is that of Run.
func RunAt(ctx context.Context, sites []*Site, rounds int, rate float64, random *rand.Rand) (Slices, error) {
	all := make(Slices)
	for range rounds {
		length := sliceMin + time.Duration(random.Int64N(int64(sliceMax-sliceMin)))
		serve := func(c load.Crowd) ([]time.Duration, error) { return c.For(ctx, length) }
		if rate > 0 {
			due := load.Due(rate, length, random)
			serve = func(c load.Crowd) ([]time.Duration, error) { return c.At(ctx, due) }
		}
		for _, i := range random.Perm(len(sites)) {
			s, err := sites[i].slice(serve)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", sites[i].Name, err)
			}
			all[sites[i].Name] = append(all[sites[i].Name], s)
		}
	}
	return all, nil
}

// Warm lets a site serve for a while, and returns how many requests it answered.
func (s *Site) Warm(ctx context.Context, a time.Duration) (int, error) {
	latencies, err := s.Crowd.For(ctx, a)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s.Name, err)
	}
	return len(latencies), nil
}

// Rate is how many requests a second a site answers in a while, all its clients busy.
func (s *Site) Rate(ctx context.Context, a time.Duration) (float64, error) {
	began := time.Now()
	n, err := s.Warm(ctx, a)
	return float64(n) / time.Since(began).Seconds(), err
}

func (s *Site) slice(serve func(load.Crowd) (latencies []time.Duration, err error)) (Slice, error) {
	before, err := CPU(s.PID)
	if err != nil {
		return Slice{}, err
	}
	began := time.Now()
	latencies, err := serve(s.Crowd)
	if err != nil {
		return Slice{}, err
	}
	wall := time.Since(began)
	time.Sleep(rest)
	after, err := CPU(s.PID)
	return Slice{CPU: after - before, Wall: wall, Latencies: latencies}, err
}
