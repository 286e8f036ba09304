package money

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tallygate/tallygate/integration/bench/stats"
)

// contender is a way to do durable commands with so many clients at once.
type contender struct {
	name    string
	clients int
	do      func(random *rand.Rand) error // one command, to an account at random
	settle  func() error                  // what is left to do afterwards, which counts; may be nil
	rates   []float64                     // commands a second, of each slice
	times   []int64                       // nanoseconds, of each command
}

// slice lets the clients do commands for a while.
func (c *contender) slice(ctx context.Context, length time.Duration, random *rand.Rand) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	times := make([][]int64, c.clients)
	var all sync.WaitGroup
	began := time.Now()
	for client := range c.clients {
		own := rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
		all.Go(func() {
			for at := time.Now(); at.Sub(began) < length && ctx.Err() == nil; {
				if err := c.do(own); err != nil {
					cancel(err)
					return
				}
				now := time.Now()
				times[client] = append(times[client], int64(now.Sub(at)))
				at = now
			}
		})
	}
	all.Wait()
	if c.settle != nil {
		if err := c.settle(); err != nil {
			return err
		}
	}
	took := time.Since(began).Seconds()
	done := slices.Concat(times...)
	c.rates = append(c.rates, float64(len(done))/took)
	c.times = append(c.times, done...)
	return context.Cause(ctx)
}

// p99 is in milliseconds.
func (c *contender) p99() float64 { return float64(stats.Quantile(c.times, 0.99)) / 1e6 }

// compete gives the contenders a slice each, in another order in each round.
func compete(ctx context.Context, all []*contender, rounds int, length time.Duration, random *rand.Rand) error {
	for range rounds {
		for _, i := range random.Perm(len(all)) {
			if err := all[i].slice(ctx, length, random); err != nil {
				return err
			}
		}
	}
	return nil
}

// ratios divides the rates of two contenders, round by round.
func ratios(a, b *contender) (list []float64) {
	for i := range min(len(a.rates), len(b.rates)) {
		list = append(list, a.rates[i]/b.rates[i])
	}
	return list
}
