package datapath

import (
	"context"
	"time"

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
