package inprocess

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/figure"
	"github.com/tallygate/tallygate/integration/bench/rig"
	"github.com/tallygate/tallygate/integration/bench/stats"
	"github.com/tallygate/tallygate/web"
)

// The month of the heavy account, and what it holds.
const (
	heavyDaily      = 1_000_000 // calls
	heavyOperations = 10
	blockAccounts   = 64 // the heavy account shares its block with these, less the one that is never given
)

var heavyMonth = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

// statements measures how long the statement of a heavy account takes, as the
// admin API gives it.
func statements(ctx context.Context, env bench.Env) error {
	dir := filepath.Join(env.Dir, "heavy")
	lines, err := settleHeavy(ctx, dir, rand.New(rand.NewPCG(env.Seed, 1)))
	if err != nil {
		return err
	}
	env.Log("a month of %d lines of the heavy account is settled", lines)
	rounds := 200
	if env.Short {
		rounds = 40
	}
	took, size, err := askStatements(ctx, dir, rounds)
	if err != nil {
		return err
	}
	method := fmt.Sprintf("GET of a closed month over HTTP on loopback, %d times: %d calls a day to %d operations, %d lines in 744 hours, 62 neighbours in its block; %d KB of JSON",
		rounds, heavyDaily, heavyOperations, lines, size>>10)
	env.Report.Add(figure.Figure{Name: "statement_ms_heavy", Value: stats.Median(took), Low: stats.Quantile(took, 0.05), High: stats.Quantile(took, 0.95),
		Unit: "ms", Budget: figure.AtMost(50), Method: method + "; median, 5th to 95th percentile"})
	env.Report.Add(figure.Figure{Name: "statement_p99_ms_heavy", Value: stats.Quantile(took, 0.99), Unit: "ms", Method: "the same, 99th percentile"})
	return nil
}

// settleHeavy makes a ledger with the month of the heavy account, number 1, and
// of its neighbours, who have two lines in every hour.
func settleHeavy(ctx context.Context, dir string, random *rand.Rand) (lines int, err error) {
	r, err := rig.Open(dir, heavyMonth)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if _, err := r.Do(billing.Request{Account: "heavy", Command: &account.CreateAccount{CreditLimit: "10000000.00"}}); err != nil {
		return 0, err
	}
	if err := r.Create(blockAccounts - 2); err != nil {
		return 0, err
	}
	end := heavyMonth.AddDate(0, 1, 0)
	for at := heavyMonth; at.Before(end); at = at.Add(time.Hour) {
		counts := heavyHour(int(at.Sub(heavyMonth)/time.Hour), random)
		lines += len(counts)
		for n := uint32(2); n < blockAccounts; n++ {
			counts = append(counts, account.Count{Line: account.Line{Account: n, Operation: 1, Kind: account.PayPerUse}, Calls: 1 + random.Uint64N(50)},
				account.Count{Line: account.Line{Account: n, Operation: 1, Kind: account.FailedBody}, Calls: 1})
		}
		r.Set(at.Add(time.Hour + time.Second))
		if err := errors.Join(ctx.Err(), r.Settle(at.Unix(), 3600, counts)); err != nil {
			return 0, err
		}
	}
	return lines, nil
}

// heavyHour is what the heavy account uses in an hour: of each operation calls
// that are paid, calls that failed and calls that were too many; at first also
// free ones.
func heavyHour(hour int, random *rand.Rand) (counts []account.Count) {
	for op := uint16(1); op <= heavyOperations; op++ {
		calls := uint64(heavyDaily/24/heavyOperations) - 500 + random.Uint64N(1000)
		if hour == 0 {
			counts = append(counts, account.Count{Line: account.Line{Account: 1, Operation: op, Kind: account.Free, Ref: 202610}, Calls: 1000})
			calls -= 1000
		}
		for _, kind := range []account.Kind{account.PayPerUse, account.RateLimited, account.FailedBody} {
			counts = append(counts, account.Count{Line: account.Line{Account: 1, Operation: op, Kind: kind}, Calls: calls})
			calls = 1 + random.Uint64N(20)
		}
	}
	return counts
}

// served is a gateway as far as statements need one.
type served struct {
	web.Gateway
	rig *rig.Rig
}

func (s served) Engine() *billing.Engine { return s.rig.Engine }
func (s served) Now() time.Time          { return s.rig.Now() }

// askStatements opens the ledger anew and asks for the statement, many times.
func askStatements(ctx context.Context, dir string, rounds int) (ms []float64, size int, err error) {
	r, err := rig.Open(dir, heavyMonth.AddDate(0, 1, 1))
	if err != nil {
		return nil, 0, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, 0, errors.Join(err, r.Close())
	}
	server := &http.Server{Handler: web.NewAPI(served{rig: r})}
	go server.Serve(listener)
	defer func() { err = errors.Join(err, server.Close(), r.Close()) }()
	url := "http://" + listener.Addr().String() + web.Root + "/accounts/heavy/statements/" + heavyMonth.Format("2006-01")
	for range rounds {
		began := time.Now()
		n, err := get(ctx, url)
		if err != nil {
			return nil, 0, err
		}
		ms, size = append(ms, time.Since(began).Seconds()*1000), n
	}
	return ms, size, nil
}

// get reads an answer to its end and returns its size.
func get(ctx context.Context, url string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return len(body), err
}
