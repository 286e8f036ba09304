package scale

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/figure"
	"github.com/tallygate/tallygate/integration/bench/stats"
	"github.com/tallygate/tallygate/integration/bench/world"
	"github.com/tallygate/tallygate/ledger"
)

// A month has so many hours; it has begun when it is filled, and one is left for
// the round after it.
const monthHours = 30*24 - 2

// month lets a month pass in which in each hour a tenth of the accounts call, and
// the first ones in every hour, and asks what of the gateway has become slower.
func (p plan) month(ctx context.Context, env bench.Env, upstream string) error {
	accounts, hours := p.monthAccounts, p.monthHours
	young, err := p.aged(ctx, env, upstream, accounts, 0)
	if err != nil {
		return err
	}
	old, err := p.aged(ctx, env, upstream, accounts, hours)
	if err != nil {
		return err
	}
	method := fmt.Sprintf("%d accounts after %d hours, in each of which a tenth called, against the first hour", accounts, hours)
	add := func(f figure.Figure) {
		if f.Method == "" {
			f.Method = method
		}
		env.Report.Add(f)
	}
	add(figure.Figure{Name: "month_query_ms", Value: p50(old.queries), Unit: "ms", Budget: figure.AtMost(20),
		Low: milliseconds(old.queries[0]), High: milliseconds(old.queries[len(old.queries)-1]),
		Method: fmt.Sprintf("statement over the admin API of an account that called in each of %d hours, 2 lines an hour; median, least and most of %d", hours, queried)})
	add(figure.Figure{Name: "month_query_ratio_with_history", Value: p50(old.queriesRandom) / p50(young.queriesRandom)})
	add(figure.Figure{Name: "start_ratio_with_history", Value: old.start.Seconds() / young.start.Seconds()})
	add(figure.Figure{Name: "close_ratio_with_history", Value: old.close.Seconds() / young.close.Seconds()})
	lines := 2 * (hours*accounts/10 + hours*9/10*ledger.BlockSize)
	var budget figure.Budget
	if accounts >= largest/10 { // in a small ledger it is what has not been merged yet
		budget = figure.AtMost(24)
	}
	add(figure.Figure{Name: "disk_bytes_per_line", Value: float64(old.disk-young.disk) / float64(lines), Unit: "B", Budget: budget,
		Method: fmt.Sprintf("badger and usage folders after those hours less before them, over %d lines", lines)})
	return nil
}

// age is how a ledger is after some hours.
type age struct {
	round
	disk          int64           // ledger and archive
	queries       []time.Duration // of the accounts that called in each hour, sorted
	queriesRandom []time.Duration
}

func (p plan) aged(ctx context.Context, env bench.Env, upstream string, accounts, hours int) (a age, err error) {
	env.Log("letting %d hours of %d accounts pass", hours, accounts)
	dir := filepath.Join(env.Dir, fmt.Sprintf("month-%d", hours))
	defer os.RemoveAll(dir)
	if err := fill(ctx, dir, accounts, hours); err != nil {
		return a, err
	}
	if a.disk, err = diskBytes(filepath.Join(dir, "ledger", "badger"), filepath.Join(dir, "ledger", "usage")); err != nil {
		return a, err
	}
	s, err := newSite(dir, env.Binary, upstream)
	if err != nil {
		return a, err
	}
	defer s.kill()
	if s.billed, err = s.sealed(); err != nil {
		return a, err
	}
	if a.round, err = s.round(ctx, accounts, p.before, env.Seed); err != nil {
		return a, err
	}
	if a.queries, err = s.queries(ctx, ledger.BlockSize/2, env.Seed); err == nil {
		a.queriesRandom, err = s.queries(ctx, accounts, env.Seed)
	}
	env.Log("started in %.2fs, closed in %.2fs, month of an account in %.1fms", a.start.Seconds(), a.close.Seconds(), p50(a.queries))
	return a, err
}

// queried is how many accounts' months are asked for.
const queried = 200

// queries ask for the month of some of the first accounts, hour by hour, one after
// the other.
func (s *site) queries(ctx context.Context, accounts int, seed uint64) (took []time.Duration, err error) {
	random := rand.New(rand.NewPCG(seed, 7))
	for range queried {
		began := time.Now()
		path := "/accounts/" + world.Name(random.IntN(accounts)) + "/statements/" + world.Start.Format("2006-01")
		if err := s.gateway.API(ctx, http.MethodGet, path, nil, nil); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took, nil
}

// p50 of latencies, in milliseconds.
func p50(took []time.Duration) float64 { return milliseconds(stats.Quantile(took, 0.5)) }
