// Package money measures durable money commands: by the engine, over the admin
// API of the real binary, and beside Badger with a synced transaction for each.
package money

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/figure"
	"github.com/tallygate/tallygate/integration/bench/rig"
	"github.com/tallygate/tallygate/integration/bench/stats"
)

// Part is this part of the benchmark.
var Part = bench.Part{Name: "money", Run: run}

const clientsMax = 64

// size is how much is measured.
type size struct {
	accounts, rounds int
	slice            time.Duration
}

func run(ctx context.Context, env bench.Env) error {
	s := size{accounts: 10_000, rounds: 7, slice: 1900 * time.Millisecond}
	if env.Short {
		s = size{accounts: 10_000, rounds: 3, slice: 800 * time.Millisecond}
	}
	return measure(ctx, env, s)
}

// measure lets all contenders compete. The gateway takes part where there is a
// binary.
func measure(ctx context.Context, env bench.Env, s size) (err error) {
	r, err := rig.Open(filepath.Join(env.Dir, "engine"), time.Now())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := r.Create(s.accounts); err != nil {
		return err
	}
	p, err := openPlain(filepath.Join(env.Dir, "plain"), s.accounts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.db.Close()) }()
	engine, badger := byEngine(r, s.accounts), byBadger(p)
	all := slices.Concat(badger, engine)
	var http *contender
	if env.Binary != "" {
		g, err := startGateway(env.Binary, filepath.Join(env.Dir, "gateway"), s.accounts)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, g.stop()) }()
		http = &contender{name: "http", clients: clientsMax, do: g.topUp}
		all = append(all, http)
	}
	env.Log("%d accounts are there", s.accounts)
	random := rand.New(rand.NewPCG(env.Seed, 3))
	if err := compete(ctx, all, s.rounds, s.slice, random); err != nil {
		return err
	}
	report(env.Report, engine, badger, http, s, env.Seed)
	return nil
}

// byEngine are contenders of 1, 8 and 64 clients. What they leave to the flusher
// is flushed at the end of each slice, and counts.
func byEngine(r *rig.Rig, accounts int) (list []*contender) {
	var next atomic.Uint64
	for _, clients := range []int{1, 8, clientsMax} {
		list = append(list, &contender{name: fmt.Sprint(clients), clients: clients, settle: r.Flush, do: func(random *rand.Rand) error {
			_, err := r.Do(billing.Request{Key: fmt.Sprintf("bench-%d", next.Add(1)), Account: rig.ID(random.IntN(accounts)),
				Command: &account.TopUp{Amount: "1.00", Reference: "wire 4711"}})
			return err
		}})
	}
	return list
}

// byBadger are contenders of 1 and 64 clients. One alone waits for a sync at each
// commit, where those of many that wait at once are synced together.
func byBadger(p *plain) (list []*contender) {
	for _, clients := range []int{1, clientsMax} {
		list = append(list, &contender{name: fmt.Sprint(clients), clients: clients, do: p.topUp})
	}
	return list
}

// report adds the figures; http may be nil.
func report(to *figure.Report, engine, badger []*contender, http *contender, s size, seed uint64) {
	how := fmt.Sprintf("%d accounts at random, %d slices of %s in shuffled rounds", s.accounts, s.rounds, s.slice)
	rate := func(name string, c *contender, method string) {
		median, low, high := stats.MedianInterval(c.rates, seed)
		to.Add(figure.Figure{Name: name, Value: median, Low: low, High: high, Unit: "/s", Method: method + "; " + how})
	}
	for _, c := range engine {
		rate("money_commands_per_s_"+c.name, c, c.name+" clients top up through the engine: journalled, answered, folded into the ledger")
		to.Add(figure.Figure{Name: "money_command_p99_ms_" + c.name, Value: c.p99(), Unit: "ms", Method: "99th percentile of their answers"})
	}
	for _, c := range badger {
		rate("badger_commits_per_s_"+c.name, c, c.name+" clients, a synced Badger transaction each: read, change and write an account of 200 bytes")
		to.Add(figure.Figure{Name: "badger_commit_p99_ms_" + c.name, Value: c.p99(), Unit: "ms", Method: "99th percentile of these"})
	}
	if http != nil {
		rate("money_commands_http_per_s_64", http, "64 clients over HTTP/1.1 on loopback, on the same machine, to the gateway's admin API")
		to.Add(figure.Figure{Name: "money_command_http_p99_ms_64", Value: http.p99(), Unit: "ms", Method: "99th percentile of their answers"})
	}
	versus := func(name string, b *contender, budget figure.Budget) {
		median, low, high := stats.MedianInterval(ratios(engine[len(engine)-1], b), seed)
		to.Add(figure.Figure{Name: name, Value: median, Low: low, High: high, Budget: budget,
			Method: "money_commands_per_s_64 ÷ badger_commits_per_s_" + b.name + ", round by round"})
	}
	versus("money_commands_vs_badger_64", badger[1], figure.AtLeast(5))
	versus("money_commands_64_vs_badger_1", badger[0], figure.Budget{})
}
