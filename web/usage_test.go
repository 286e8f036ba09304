package web_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web"
	"github.com/tallygate/tallygate/web/webtest"
)

func TestUsageIsSettledAndOpen(t *testing.T) {
	t.Parallel()
	g := start(t)
	call(t, g, "POST /accounts", `{"account":"acme"}`)
	call(t, g, "POST /accounts/acme/topups", `{"amount":"100","reference":"r"}`, key("t")...)
	call(t, g, "POST /accounts/acme/packages", `{"package":"image-tagging-10k-1y"}`, key("p")...)
	call(t, g, "POST /accounts/acme/packages", `{"package":"image-tagging-10k-1y"}`, key("p2")...)
	call(t, g, "POST /accounts/acme/topups", `{"amount":"24","reference":"r"}`, key("t2")...)
	g.Count(t, "acme", tagging, account.Free, 202611, 1000)
	g.Count(t, "acme", tagging, account.PayPerUse, 0, 9_990)
	g.Count(t, "acme", tagging, account.FailedStatus, 0, 3)
	run(t, g, []step{
		{"GET /accounts/acme/usage", "", nil, 200, []string{"month = 2026-11", "lines.1.funding = payg", "lines.1.settled = 0", "lines.1.open = 9990",
			"debited = 0.00", "unsettled = 29.97", "balance = 76.00"}},
		{"POST /settle", "", nil, 200, []string{"settled_until = 2026-11-22T10:30:01+08:00"}},
	})
	g.Count(t, "acme", tagging, account.Package, 1, 400)
	g.Count(t, "acme", tagging, account.PayPerUse, 0, 1010)
	g.Count(t, "acme", tagging, account.FailedStatus, 0, 2)
	run(t, g, []step{
		{"GET /accounts/acme/usage", "", nil, 200, []string{
			"lines.0.funding = free:202611", "lines.0.settled = 1000", "lines.0.unsettled = 0.00",
			"lines.1.funding = package:1", "lines.1.open = 400",
			"lines.2.funding = payg", "lines.2.settled = 9990", "lines.2.open = 1010", "lines.2.debited = 29.97",
			// 10 calls more at 0.0030, and 1,000 at 0.0025
			"lines.2.unsettled = 2.53", "debited = 29.97", "unsettled = 2.53", "balance = 46.03",
			"not_billed.0.reason = failed-status", "not_billed.0.settled = 3", "not_billed.0.open = 2"}},
		{"GET /accounts/acme", "", nil, 200, []string{"packages.0.used = 0", "packages.0.open = 400", "packages.0.left = 9600", "packages.1.left = 10000"}},
		{"POST /settle", "", nil, 200, nil},
		{"GET /accounts/acme", "", nil, 200, []string{"balance = 43.50", "packages.0.used = 400", "packages.0.open = 0", "packages.0.left = 9600"}},
		{"GET /accounts/acme/usage", "", nil, 200, []string{"debited = 32.50", "unsettled = 0.00", "balance = 43.50"}},
		{"GET /accounts/acme/statements/2026-11", "", nil, 200, []string{"usage = 32.50", "closing = 43.50", "lines.2.bands.1.unit_price = 0.0025"}},
		{"GET /accounts/acme/statements/2026-10", "", nil, 200, []string{"closing = 0.00"}},
		{"GET /accounts/acme/statements/2026-12", "", nil, 422, []string{"text ~ has not begun"}},
		{"GET /accounts/acme/statements/november", "", nil, 422, []string{"text ~ write it as 2026-11"}},
	})
	table := call(t, g, "GET /accounts/acme/statements/2026-11", "", "Accept: text/plain")
	if again := call(t, g, "GET /accounts/acme/statements/2026-11?format=table", ""); again.text != table.text {
		t.Errorf("two tables:\n%s\n%s", table.text, again.text)
	}
	if !strings.HasPrefix(table.text, "Statement ") || !strings.HasPrefix(table.header.Get("Content-Type"), "text/plain") {
		t.Errorf("table: %s %s", table.header.Get("Content-Type"), table.text)
	}
}

// TestOpenCallsAdvanceTheTiers: where the tiers count all successful calls, what
// is open costs what its settlement then debits (D9, D34).
func TestOpenCallsAdvanceTheTiers(t *testing.T) {
	t.Parallel()
	book := strings.Replace(string(prices(t)), "    free_per_month: 1_000\n", "    free_per_month: 1_000\n    tier_basis: all_successful\n", 1)
	g := webtest.New(t, webtest.Config{Book: []byte(book)})
	open(t, g, "100.00", "acme")
	g.Count(t, "acme", tagging, account.Free, 202611, 1000)
	g.Count(t, "acme", tagging, account.PayPerUse, 0, 9_990)
	call(t, g, "POST /settle", "")
	g.Count(t, "acme", tagging, account.PayPerUse, 0, 100)
	run(t, g, []step{
		// 9,000 at 0.0030 and 990 at 0.0025, then 100 at 0.0025: 29.475 becomes 29.725.
		{"GET /accounts/acme/usage", "", nil, 200, []string{"debited = 29.48", "unsettled = 0.25", "lines.1.unsettled = 0.25"}},
		{"POST /settle", "", nil, 200, nil},
		{"GET /accounts/acme/usage", "", nil, 200, []string{"debited = 29.73", "unsettled = 0.00", "balance = 70.27"}},
	})
}

// settling settles once it is asked what is open: between two looks of a reader.
type settling struct {
	*webtest.Gateway
	once sync.Once
}

func (s *settling) OpenCounts(number uint32, from int64) map[account.Line]uint64 {
	s.once.Do(func() { s.SettleNow(context.Background()) })
	return s.Gateway.OpenCounts(number, from)
}

// TestSettledBetweenTwoLooks: an answer is of one moment.
func TestSettledBetweenTwoLooks(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][]string{
		"":       {"packages.0.used = 100", "packages.0.open = 0", "balance = 73.00"},
		"/usage": {"lines.0.settled = 100", "lines.0.open = 0", "lines.1.settled = 1000", "lines.1.open = 0", "debited = 3.00", "balance = 73.00"},
	} {
		g := start(t)
		call(t, g, "POST /accounts", `{"account":"acme"}`)
		call(t, g, "POST /accounts/acme/topups", `{"amount":"100","reference":"r"}`, key("t")...)
		call(t, g, "POST /accounts/acme/packages", `{"package":"image-tagging-10k-1y"}`, key("p")...)
		g.Count(t, "acme", tagging, account.Package, 1, 100)
		g.Count(t, "acme", tagging, account.PayPerUse, 0, 1000)
		server := httptest.NewServer(web.NewAPI(&settling{Gateway: g}))
		t.Cleanup(server.Close)
		g.URL = server.URL
		run(t, g, []step{{"GET /accounts/acme" + path, "", nil, 200, want}})
	}
}

// TestLeftWhileSettling: what is left of a package is right at every moment of
// a settlement, when calls move from the counters to the ledger.
func TestLeftWhileSettling(t *testing.T) {
	t.Parallel()
	g := start(t)
	call(t, g, "POST /accounts", `{"account":"acme"}`)
	call(t, g, "POST /accounts/acme/topups", `{"amount":"100","reference":"r"}`, key("t")...)
	call(t, g, "POST /accounts/acme/packages", `{"package":"image-tagging-10k-1y"}`, key("p")...)
	for round := 1; round <= 20; round++ {
		g.Count(t, "acme", tagging, account.Package, 1, 100)
		var wg sync.WaitGroup
		wg.Go(func() { call(t, g, "POST /settle", "") })
		for range 3 {
			wg.Go(func() {
				for range 5 {
					a := call(t, g, "GET /accounts/acme", "")
					if want := fmt.Sprint(10_000 - 100*round); a.at("packages.0.left") != want {
						t.Errorf("round %d: %s left, want %s", round, a.at("packages.0.left"), want)
					}
				}
			})
		}
		wg.Wait()
	}
}
