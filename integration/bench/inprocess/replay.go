package inprocess

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/figure"
	"github.com/tallygate/tallygate/integration/bench/rig"
	"github.com/tallygate/tallygate/ledger/badgerstore"
	"github.com/tallygate/tallygate/ledger/journal"
)

// history is a time of many accounts that is replayed.
type history struct {
	name     string // of the figure
	accounts int
	months   int
}

// activeIn is in how many hours an account makes calls once: about 2.4 hours of
// a day, at random.
const activeIn = 10

var historyBegins = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// replays measures how long it takes to make a ledger again from its journal and
// its sealed files, as a repair does.
func replays(ctx context.Context, env bench.Env) error {
	h := history{"replay_year_10k_s", 10_000, 12}
	if env.Short {
		h = history{"replay_month_1k_s", 1_000, 1}
	}
	dir := filepath.Join(env.Dir, "history")
	began := time.Now()
	lines, records, err := h.settle(ctx, dir, rand.New(rand.NewPCG(env.Seed, 2)), env.Log)
	if err != nil {
		return err
	}
	built := time.Since(began)
	env.Log("%d lines are settled in %.1f s", lines, built.Seconds())
	took, err := rebuild(dir)
	if err != nil {
		return err
	}
	method := fmt.Sprintf("journal (%d records) and sealed files folded into an empty ledger, each settlement held against its recorded hash: "+
		"%d accounts over %d months, each with calls in one hour of %d, 2 lines in each such hour, a top-up a month; %d lines",
		records, h.accounts, h.months, activeIn, lines)
	env.Report.Add(figure.Figure{Name: h.name, Value: took.Seconds(), Unit: "s", Method: method})
	env.Report.Add(figure.Figure{Name: "replay_lines_per_s", Value: float64(lines) / took.Seconds(), Unit: "lines/s", Method: "the same"})
	env.Report.Add(figure.Figure{Name: "settle_lines_per_s", Value: float64(lines) / built.Seconds(), Unit: "lines/s",
		Method: "the making of that ledger: every hour sealed, journalled, rated and debited, hour after hour; commands included"})
	return nil
}

// settle makes the ledger, as a gateway would have over the time.
func (h history) settle(ctx context.Context, dir string, random *rand.Rand, log func(string, ...any)) (lines int, records uint64, err error) {
	r, err := rig.Open(dir, historyBegins)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := r.Create(h.accounts); err != nil {
		return 0, 0, err
	}
	at := historyBegins
	for month := range h.months {
		if err := h.begin(r, month); err != nil {
			return 0, 0, err
		}
		for end := historyBegins.AddDate(0, month+1, 0); at.Before(end); at = at.Add(time.Hour) {
			counts := h.hour(at, random)
			r.Set(at.Add(time.Hour + time.Second))
			if err := errors.Join(ctx.Err(), r.Settle(at.Unix(), 3600, counts)); err != nil {
				return 0, 0, err
			}
			lines += len(counts)
		}
		log("month %d of %d is settled", month+1, h.months)
	}
	return lines, r.Journal.Head().Seq, nil
}

// begin does the commands of a month: a top-up for each account, and in the
// first one a package for each third.
func (h history) begin(r *rig.Rig, month int) error {
	err := r.Each(h.accounts, func(int) account.Command { return &account.TopUp{Amount: "500.00", Reference: "wire"} })
	if err == nil && month == 0 {
		err = r.Each(h.accounts/3, func(int) account.Command { return &account.BuyPackage{Package: "calls-100k-1y"} })
	}
	return err
}

// hour is what the accounts use in an hour, by number: calls to one operation
// that are paid, and some that failed.
func (h history) hour(at time.Time, random *rand.Rand) (counts []account.Count) {
	for n := uint32(1); n <= uint32(h.accounts); n++ {
		if random.IntN(activeIn) != 0 {
			continue
		}
		paid := account.Count{Line: account.Line{Account: n, Operation: uint16(1 + n%10), Kind: account.PayPerUse}, Calls: 1 + random.Uint64N(500)}
		if at.Day() == 1 {
			paid.Kind, paid.Ref = account.Free, uint32(at.Year()*100+int(at.Month()))
		}
		failed := account.Count{Line: account.Line{Account: n, Operation: paid.Operation, Kind: account.FailedBody}, Calls: 1 + random.Uint64N(5)}
		counts = append(counts, paid, failed)
	}
	return counts
}

// rebuild folds a ledger's journal and sealed files into a new store.
func rebuild(dir string) (took time.Duration, err error) {
	log, _, err := journal.Open(journal.Config{Dir: filepath.Join(dir, "journal")})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	into := filepath.Join(dir, "again")
	store, err := badgerstore.Open(badgerstore.Config{Dir: into})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close(), os.RemoveAll(into)) }()
	began := time.Now()
	_, err = billing.Rebuild(billing.RebuildConfig{Store: store, Journal: log, UsageDir: filepath.Join(dir, "usage"),
		ZoneOf: time.LoadLocation, Logger: slog.New(slog.DiscardHandler)})
	return time.Since(began), err
}
