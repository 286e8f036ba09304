// Package inprocess measures what needs no network: the hot path and rating, by
// the benchmarks of the product's packages; the statement of a heavy account;
// the replay of a year.
package inprocess

import (
	"context"

	"github.com/tallygate/tallygate/integration/bench"
)

// Part is this part of the benchmark.
var Part = bench.Part{Name: "inprocess", Run: run}

func run(ctx context.Context, env bench.Env) error {
	for _, step := range []func(context.Context, bench.Env) error{benchmarks, statements, replays} {
		if err := step(ctx, env); err != nil {
			return err
		}
	}
	return nil
}
