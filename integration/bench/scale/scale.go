// Package scale measures a gateway with many accounts, every one of which has a
// key, money, a package and a subscription: its memory in the middle of an hour in
// which all were active, its start after kill -9, the close of that hour with
// traffic going on, and what all of that has to do with the number of accounts and
// with how long they have been there.
package scale

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/origin"
	"github.com/tallygate/tallygate/integration/bench/world"
)

// Part is this part of the benchmark.
var Part = bench.Part{Name: "scale", Run: Run}

// plan is what is measured.
type plan struct {
	sizes         []int         // numbers of accounts, ascending
	rounds        int           // how often an hour of each ledger is begun, killed in, and closed
	before        time.Duration // of traffic before the close
	monthAccounts int
	monthHours    int
}

// Run measures and reports.
func Run(ctx context.Context, env bench.Env) error {
	p := plan{[]int{10_000, 100_000, 1_000_000}, 3, 10 * time.Second, 100_000, monthHours}
	if env.Short {
		p = plan{[]int{10_000, 100_000}, 3, 10 * time.Second, 10_000, 7 * 24}
	}
	return p.run(ctx, env)
}

func (p plan) run(ctx context.Context, env bench.Env) error {
	up, upstream, err := origin.Start(env.Dir)
	if err != nil {
		return err
	}
	defer up.Kill()
	var grown []measured
	for _, accounts := range p.sizes {
		m, err := p.measure(ctx, env, upstream, accounts)
		if err != nil {
			return fmt.Errorf("%d accounts: %w", accounts, err)
		}
		grown = append(grown, m)
	}
	report(env.Report, grown, env.Short)
	return p.month(ctx, env, upstream)
}

// measure fills a ledger, and then several times lets an hour begin in which every
// account is active, kills the gateway, starts it, and closes the hour.
func (p plan) measure(ctx context.Context, env bench.Env, upstream string, accounts int) (measured, error) {
	m := measured{accounts: accounts}
	dir := filepath.Join(env.Dir, fmt.Sprint(accounts))
	env.Log("filling a ledger with %d accounts", accounts)
	if err := fill(ctx, dir, accounts, 0); err != nil {
		return m, err
	}
	defer os.RemoveAll(dir)
	s, err := newSite(dir, env.Binary, upstream)
	if err != nil {
		return m, err
	}
	defer s.kill()
	for round := range p.rounds {
		r, err := s.round(ctx, accounts, p.before, env.Seed+uint64(round))
		if err != nil {
			return m, err
		}
		env.Log("%d accounts: started in %.2fs, %.0f MiB, closed in %.2fs, p99 × %.2f, commands p99 %.1fms", accounts,
			r.start.Seconds(), r.rss, r.close.Seconds(), r.p99Ratio(), p99(r.moneyDuring))
		m.rounds = append(m.rounds, r)
		s.kill()
	}
	return m, nil
}

// fill makes a ledger where syncing is free, if there is such a place, and puts it
// on the disk.
func fill(ctx context.Context, dir string, accounts, hours int) error {
	building := dir
	if memory, err := os.MkdirTemp("/dev/shm", "tallygate-bench-"); err == nil {
		defer os.RemoveAll(memory)
		if free(memory) > 6*uint64(accounts)<<10+uint64(hours)*4*uint64(accounts)+256<<20 {
			building = memory
		}
	}
	if err := os.MkdirAll(building, 0o700); err != nil {
		return err
	}
	if err := (world.Work{Dir: building, Accounts: accounts, Fill: true, Hours: hours}).Run(ctx); err != nil {
		return err
	}
	if building == dir {
		return nil
	}
	return errors.Join(os.CopyFS(dir, os.DirFS(building)), os.Chmod(dir, 0o700))
}

// round is one hour's life.
type round struct {
	start       time.Duration
	rss         float64 // MiB, in the middle of the hour
	rssPaid     float64 // the same after some top-ups of random accounts, which map more of the ledger's tables
	close       time.Duration
	base        []time.Duration // latencies of calls before the close
	during      []time.Duration
	moneyBase   []time.Duration // of commands
	moneyDuring []time.Duration
}

func (r round) p99Ratio() float64 { return p99(r.during) / p99(r.base) }

// Traffic while the hour is closed: light enough for two cores that the client
// shares with the gateway.
const (
	callers, callsPerSecond = 8, 100
	payers, topupsPerSecond = 2, 50
)

func (s *site) round(ctx context.Context, accounts int, before time.Duration, seed uint64) (r round, err error) {
	if err := (world.Work{Dir: s.dir, Accounts: accounts, Call: true}).Run(ctx); err != nil {
		return r, err
	}
	if r.start, err = s.start(); err != nil {
		return r, err
	}
	now, err := s.now(ctx)
	if err != nil {
		return r, err
	}
	calls := steady(ctx, callers, callsPerSecond, seed, s.calls(accounts))
	time.Sleep(before / 2)
	if r.rss, err = s.rss(); err != nil {
		return r, err
	}
	money := steady(ctx, payers, topupsPerSecond, seed+1, s.topups(accounts))
	time.Sleep(before / 2)
	if r.rssPaid, err = s.rss(); err != nil {
		return r, err
	}
	began := time.Now()
	advanced := s.gateway.API(ctx, http.MethodPost, "/clock/advance", map[string]time.Time{"to": now.Truncate(time.Hour).Add(time.Hour)}, nil)
	ended := time.Now()
	r.close = ended.Sub(began)
	if err := errors.Join(advanced, calls.end(), money.end()); err != nil {
		return r, err
	}
	warm := began.Add(-before * 4 / 10) // caches and connections
	r.base, r.during = calls.between(warm, began), calls.between(began, ended)
	r.moneyBase, r.moneyDuring = money.between(warm, began), money.between(began, ended)
	return r, s.reconcile(ctx, accounts, len(calls.samples))
}
