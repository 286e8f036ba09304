package datapath

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/figure"
	"github.com/tallygate/tallygate/integration/bench/paired"
)

// collections is how often the garbage collector ran, by Caddy's metrics.
func (g *gateway) collections() (n int, err error) {
	text, err := g.running.Get(context.Background(), "/metrics")
	if err != nil {
		return 0, err
	}
	_, rest, found := bytes.Cut(text, []byte("\ngo_gc_duration_seconds_count "))
	if !found {
		return 0, fmt.Errorf("the metrics of %s do not count collections", g.name)
	}
	_, err = fmt.Sscan(string(rest), &n)
	return n, err
}

// collections of garbage, by the name of the gateway.
type collections map[string]int

// add adds those so far, so many times: -1 before what is measured, 1 after it.
func (c collections) add(gateways []*gateway, times int) error {
	for _, g := range gateways {
		n, err := g.collections()
		if err != nil {
			return err
		}
		c[g.name] += times * n
	}
	return nil
}

// reportCollections shows how even the room for garbage is.
func (w workload) reportCollections(env bench.Env, s paired.Slices, collected collections) {
	for _, name := range []string{"metered", "bare"} {
		env.Report.Add(figure.Figure{
			Name:   "collections_per_1000_requests_" + name + w.suffix,
			Value:  1000 * float64(collected[name]) / float64(paired.Requests(s[name])),
			Method: fmt.Sprintf("of garbage, by Caddy's metrics, %d in all", collected[name]),
		})
	}
}
