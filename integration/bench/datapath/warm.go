package datapath

import (
	"context"
	"slices"
	"time"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/paired"
)

// A gateway is warm after warmMin, once it has collected garbage under load, and
// after warmMax in any case: until then its heap grows into memory that the kernel
// has to give and to clear, which it does not go on to.
const (
	warmMin  = 1200 * time.Millisecond
	warmMax  = 8 * time.Second
	warmStep = 400 * time.Millisecond
)

// warm lets each site serve, no longer than most, and returns how many requests
// it answered.
func warm(ctx context.Context, gateways []*gateway, sites []*paired.Site, most time.Duration) (map[string]int, error) {
	answered := make(map[string]int)
	for i, g := range gateways {
		before, err := g.collections()
		if err != nil {
			return nil, err
		}
		for spent := time.Duration(0); spent < most; spent += warmStep {
			n, err := sites[i].Warm(ctx, min(warmStep, most))
			if err != nil {
				return nil, err
			}
			answered[g.name] += n
			after, err := g.collections()
			if err != nil {
				return nil, err
			}
			if after > before && spent+warmStep >= warmMin {
				break
			}
		}
	}
	return answered, nil
}

// rate is how many requests a second are due at every site of a cast, 0 where each
// client sends the next once it is answered. Clients that do so keep two cores busy,
// which they share with gateway and origin: the tail is that of the queue before these,
// and grows much faster than what a call costs. But gateways are run at part load.
func (w workload) rate(ctx context.Context, env bench.Env, sites []*paired.Site, a time.Duration) (float64, error) {
	if w.due == 0 {
		return 0, nil
	}
	bare := sites[slices.IndexFunc(sites, func(s *paired.Site) bool { return s.Name == "bare" })]
	most, err := bare.Rate(ctx, a)
	if err != nil {
		return 0, err
	}
	env.Log("bare answers %.0f requests/s, %.0f are due", most, w.due*most)
	return w.due * most, nil
}
