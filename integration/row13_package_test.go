package integration

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tallygate/tallygate/integration/harness"
)

// TestRow13LastCall sends many calls at once against the only call that is left
// in a package, of an account that pays for none without one: the package pays
// for exactly one of them, and the upstream sees no other (D18).
func TestRow13LastCall(t *testing.T) {
	t.Parallel()
	row := newRow(t, 13, "last package call", 3, 100)
	callers := 100
	if row.long {
		callers = 1000
	}
	book := strings.NewReplacer("calls: 300", "calls: 1", "free_per_month: 150", "free_per_month: 0").Replace(rigBook)
	r := newRig(t, harness.Config{Files: map[string]string{"pricebook.yaml": book}}, nil)
	r.start()
	r.open("prepaid", "1000.00")
	r.api(harness.Request{Method: http.MethodPatch, Path: "/tallygate/accounts/prepaid", Body: map[string]any{"pay_per_use": false}}, nil)
	pool := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	defer pool.CloseIdleConnections()
	for round := range row.rounds {
		r.api(harness.Request{Path: "/tallygate/accounts/prepaid/packages", Header: once(fmt.Sprintf("package %d", round)),
			Body: map[string]any{"package": "tagging-300"}}, nil)
		answers := r.atOnce(callers, pool)
		served := 0
		for _, a := range answers {
			switch {
			case a.ok():
				served++
			case a.status != http.StatusPaymentRequired:
				row.fault(t, "round %d: status %d (%v): %s", round+1, a.status, a.err, a.body)
			}
		}
		row.once(t, served, "calls that succeeded in round %d", round+1)
	}
	r.settle()
	row.check13(r)
	row.note("%d concurrent", callers)
	row.end()
}

// atOnce makes so many calls at the same time.
func (r *rig) atOnce(callers int, pool *http.Client) []sight {
	answers := make([]sight, callers)
	var ready, done sync.WaitGroup
	ready.Add(callers)
	start := make(chan struct{})
	for i := range answers {
		done.Go(func() {
			c := &customer{site: r.URL(), account: "prepaid", operation: tagging, fault: "delay=20ms", http: pool}
			ready.Done()
			<-start
			answers[i] = c.call()
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return answers
}

// once finds that something happened once.
func (row *row) once(t *testing.T, n int, format string, args ...any) {
	t.Helper()
	switch what := fmt.Sprintf(format, args...); {
	case n < 1:
		row.lose(t, 1, "%s: none", what)
	case n > 1:
		row.double(t, n-1, "%s: %d", what, n)
	}
}

// check13: each package paid for one call, which the upstream served.
func (row *row) check13(r *rig) {
	t := row.t
	t.Helper()
	if served := r.served("prepaid", tagging); served != row.rounds {
		row.fault(t, "the upstream served %d calls of %d packages", served, row.rounds)
	}
	u := r.usage("prepaid")
	st := r.statement("prepaid", u.Month)
	st.check(t, rigPrices)
	paid := map[string]int{}
	for _, l := range st.Lines {
		paid[l.Funding] += int(l.Calls)
	}
	for n := range row.rounds {
		funding := fmt.Sprintf("package:%d", n+1)
		row.once(t, paid[funding], "calls that %s pays for", funding)
		delete(paid, funding)
	}
	if len(paid) > 0 {
		row.fault(t, "other things paid for calls: %v", paid)
	}
}
