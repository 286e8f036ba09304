// Package webtest serves the API of a real engine (journal, embedded ledger,
// price book) for tests, on a clock and with counts that the test decides.
package webtest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/ledger/badgerstore"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/pricebook"
	"github.com/tallygate/tallygate/web"
)

// Start is when a gateway's clock starts: 22 November 2026, 10:30 in Shanghai.
var Start = time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)

// Gateway is a web.Gateway without traffic: tests count calls by hand.
type Gateway struct {
	URL   string      // of the API, without /tallygate
	Wrong []web.Check // what its health is to find

	engine  *billing.Engine
	journal *journal.Journal
	finance string

	mu      sync.Mutex
	now     time.Time
	wall    time.Duration // by how much the wall clock is ahead of now
	open    map[account.Line]uint64
	closing map[account.Line]uint64 // of the period that begins at settled
	settled int64
}

// Config is what a gateway is made of.
type Config struct {
	Book      []byte // a price book's text
	WallClock bool   // the ledger is no test ledger
	Finance   string // the token of the finance role; "" = none is configured
	Policy    *account.Policy
}

// New serves a gateway with an empty ledger in a folder of its own until the
// test ends.
func New(t testing.TB, config Config) *Gateway {
	t.Helper()
	dir := t.TempDir()
	zone, err := time.LoadLocation("Asia/Shanghai")
	check(t, err)
	prices, err := pricebook.Parse("pricebook.yaml", config.Book)
	check(t, err)
	store, err := badgerstore.Open(badgerstore.Config{Dir: filepath.Join(dir, "ledger")})
	check(t, err)
	j, _, err := journal.Open(journal.Config{Dir: filepath.Join(dir, "journal"), SegmentSize: 64 << 10})
	check(t, err)
	g := &Gateway{journal: j, finance: config.Finance, now: Start, open: make(map[account.Line]uint64)}
	g.settled = rating.HourStart(Start.Unix(), zone)
	g.engine, err = billing.Open(billing.Config{Store: store, Journal: j, UsageDir: dir, Node: "test",
		Now: func() int64 { return g.Now().UnixNano() }, Currency: prices.Currency, Zone: zone, Test: !config.WallClock})
	check(t, err)
	_, err = g.engine.SetPriceBook(prices)
	check(t, err)
	policy := account.DefaultPolicy
	if config.Policy != nil {
		policy = *config.Policy
	}
	check(t, g.engine.SetPolicy(policy))
	server := httptest.NewServer(web.NewAPI(g))
	g.URL = server.URL
	t.Cleanup(func() {
		server.Close()
		check(t, g.engine.Close())
		check(t, j.Close())
		check(t, store.Close())
	})
	return g
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Count counts calls of an account in the open period.
func (g *Gateway) Count(t testing.TB, id, operation string, kind account.Kind, ref uint32, calls uint64) {
	t.Helper()
	a, err := g.engine.Account(id)
	check(t, err)
	number, ok := g.engine.OperationNumber(operation)
	if !ok {
		t.Fatalf("no operation %q", operation)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open[account.Line{Account: a.Number, Operation: number, Kind: kind, Ref: ref}] += calls
}

// ChangeImages lets an instance do what a call of the search API did: "add" a
// picture of a product, "delete" it, or leave it "uncertain".
func (g *Gateway) ChangeImages(t testing.TB, id, instance, change, product, picture string) {
	t.Helper()
	kinds := map[string]account.ImageChangeKind{"add": account.ImageAdded, "delete": account.ImageDeleted, "uncertain": account.ImageUncertain}
	a, err := g.engine.Account(id)
	check(t, err)
	i := a.InstanceNamed(instance)
	if i == nil || kinds[change] == 0 {
		t.Fatalf("account %s: no instance %q, or no change %q", id, instance, change)
	}
	image := account.Image{Account: a.Number, Instance: i.ID, Product: web.ImageName(product), Picture: web.ImageName(picture)}
	_, _, err = g.engine.ChangeImages(account.ImageChange{Image: image, Kind: kinds[change]})
	check(t, err)
}

// Engine is the real one.
func (g *Gateway) Engine() *billing.Engine { return g.engine }

// Now is where the test's clock stands.
func (g *Gateway) Now() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

// OpenCounts gives what Count counted and the engine has not got: once a
// period is in the journal, every account that is read has it.
func (g *Gateway) OpenCounts(number uint32, from int64) map[account.Line]uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.settled < from {
		return map[account.Line]uint64{}
	}
	open := maps.Clone(g.open)
	if g.engine.Meta().Settled <= g.settled {
		for l, calls := range g.closing {
			open[l] += calls
		}
	}
	maps.DeleteFunc(open, func(l account.Line, _ uint64) bool { return l.Account != number })
	return open
}

// SettleNow settles the time up to now, in whole seconds.
func (g *Gateway) SettleNow(context.Context) (time.Time, error) {
	g.mu.Lock()
	until := g.now.Truncate(time.Second).Add(time.Second)
	g.now = until
	g.mu.Unlock()
	return until, g.live(until.Unix(), until)
}

// live settles the periods up to an instant (Unix seconds) and lets happen what
// is due by now, as the service does.
func (g *Gateway) live(settled int64, now time.Time) error {
	if err := g.settle(settled); err != nil {
		return err
	}
	if err := g.engine.Reach(settled); err != nil {
		return err
	}
	return g.engine.Due(now.Unix())
}

// settle settles what is open, with the first hour.
func (g *Gateway) settle(until int64) error {
	for {
		g.mu.Lock()
		start := g.settled
		end := min(rating.HourEnd(start, g.engine.Zone), until)
		if end <= start {
			g.mu.Unlock()
			return nil
		}
		var counts []account.Count
		g.open, g.closing = make(map[account.Line]uint64), g.open
		for l, calls := range g.closing {
			counts = append(counts, account.Count{Line: l, Calls: calls})
		}
		g.mu.Unlock()
		slices.SortFunc(counts, func(a, b account.Count) int { return a.Compare(b.Line) })
		if err := g.engine.Settle(start, end-start, counts); err != nil {
			return err
		}
		g.mu.Lock()
		g.closing, g.settled = nil, end
		g.mu.Unlock()
	}
}

// Advance moves the clock and settles the hours that are over.
func (g *Gateway) Advance(_ context.Context, to time.Time) error {
	g.mu.Lock()
	g.now = to
	g.mu.Unlock()
	return g.live(rating.HourStart(to.Unix(), g.engine.Zone), to)
}

// FinanceConfigured tells whether the finance role exists.
func (g *Gateway) FinanceConfigured() bool { return g.finance != "" }

// Finance knows the token of the configuration.
func (g *Gateway) Finance(token string) bool { return token == g.finance }

// DecodeRefusal knows ids of the form "refused-<account number>".
func (g *Gateway) DecodeRefusal(id string) (web.Refusal, error) {
	r := web.Refusal{At: Start.In(g.engine.Zone), Operation: "recognition/image-tagging", Reason: "arrears"}
	if n, err := fmt.Sscanf(id, "refused-%d", &r.Account); n != 1 || err != nil {
		return web.Refusal{}, errors.New("not a refusal id of this ledger")
	}
	return r, nil
}

// Status is what the engine and the journal say.
func (g *Gateway) Status() web.Status {
	meta, head, clock := g.engine.Meta(), g.journal.Head(), g.Clock()
	hour := Start.Truncate(time.Hour).In(g.engine.Zone)
	done := web.Done{At: hour.Add(2 * time.Second), From: hour.Add(-time.Hour), Until: hour}
	var problems []string
	for _, c := range g.Wrong {
		problems = append(problems, c.Name+": "+c.Err.Error())
	}
	return web.Status{Ledger: meta.ID, Node: "test", Now: g.Now().In(g.engine.Zone), TestClock: meta.Test, Currency: meta.Currency,
		Timezone: meta.Zone, Accounts: meta.Accounts, SettledUntil: time.Unix(g.engine.SettledUntil(), 0).In(g.engine.Zone),
		JournalHead: head.Seq, JournalHash: hex.EncodeToString(head.Hash[:]), Folded: meta.Folded,
		PriceBook: g.engine.BookAt(g.Now().Unix()).Hash, SyncLimit: time.Second, DiskFree: 5 << 30, DiskReserve: 64 << 20,
		LastSeal: done, LastSettlement: done, Anchor: &web.AnchorState{Seq: head.Seq, Age: time.Second},
		Unsettled: g.engine.Currency.Format(12_34), Debts: g.engine.Currency.Format(0), ExposureAsOf: done.At,
		Problems: problems, ClockSuspended: clock.Suspended, ClockDisagreement: clock.Disagreement}
}

// ShiftWall puts the wall clock ahead of the gateway's, or behind it. Nothing but
// what the API says follows from it.
func (g *Gateway) ShiftWall(by time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wall = by
}

// Clock is suspended where the wall clock was shifted.
func (g *Gateway) Clock() web.ClockState {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := web.ClockState{Now: g.now, Wall: g.now.Add(g.wall), Disagreement: g.wall, TestClock: g.engine.Meta().Test}
	if g.wall != 0 {
		c.Suspended, c.SuspendedSince, c.LastKnown = true, g.now, Start
	}
	return c
}

// AcceptClock makes the shifted wall clock that of the gateway.
func (g *Gateway) AcceptClock(saw time.Time) error {
	c := g.Clock()
	switch {
	case !c.Suspended:
		return web.ErrNotDoubted
	case c.Wall.Sub(saw).Abs() > web.WallTolerance:
		return fmt.Errorf("%w: it is %s", web.ErrOtherWall, c.Wall.In(g.engine.Zone).Format(time.RFC3339))
	}
	if err := g.engine.AcceptClock(c.Now.UnixNano(), c.Wall.UnixNano()); err != nil {
		return err
	}
	g.mu.Lock()
	g.now, g.wall = c.Wall, 0
	g.mu.Unlock()
	return g.live(rating.HourStart(c.Wall.Unix(), g.engine.Zone), c.Wall)
}

// Ready checks nothing but that it is there.
func (g *Gateway) Ready() []web.Check { return []web.Check{{Name: "ledger"}} }

// Health finds what Wrong has.
func (g *Gateway) Health() []web.Check { return append(g.Ready(), g.Wrong...) }

// Pace is an hour and a minute, as by default.
func (g *Gateway) Pace() (period, sealWait time.Duration) { return time.Hour, time.Minute }
