// Package bench is what the parts of the benchmark have in common. Each part is
// a package below: it measures, and adds figures to the report.
//
//	datapath   the metered proxy against the bare one, and against Caddy as it comes
//	peers      what one would use instead: nginx and HAProxy
//	inprocess  the hot path, rating and the ledger's codecs without a network
//	money      durable commands
//	scale      a million accounts: memory, start, the close of an hour, queries
//
// and what several of them use:
//
//	figure   named numbers, their budgets, the table
//	stats    medians, quantiles, bootstrap intervals
//	paired   servers compared in shuffled slices; load: the clients for that
//	subject  the gateway that is measured; origin: its upstream
//	rig      a billing engine without a gateway; world: a ledger of many accounts
package bench

import (
	"context"

	"github.com/tallygate/tallygate/integration/bench/figure"
)

// Env is what a part measures with.
type Env struct {
	Binary string // the gateway
	Dir    string // an empty folder of the part's own, removed afterwards
	Short  bool   // one workload, fewer rounds, 100,000 accounts
	Seed   uint64 // of every random choice
	Report *figure.Report
	Log    func(format string, args ...any) // tells of progress
}

// Part is one part of the benchmark.
type Part struct {
	Name string
	Run  func(ctx context.Context, env Env) error
}
