package integration

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestEnforceRealtime: what is not settled yet counts against the limit, so that
// no call is admitted that would pass it, and no account comes into arrears
// (D19).
func TestEnforceRealtime(t *testing.T) {
	t.Parallel()
	clock, at := testClock("2026-11-10T09:00:00+08:00")
	s := newScene(t, noAllowance(t), clock, at, "grace 15d", "enforce realtime\n\t\t\tgrace 15d")
	p := prices{tagging: {{10_000, "0.003"}, {0, "0.0025"}}}
	key := s.account("acme", "0.50")
	affordable := func(amount int64) (calls int64) {
		for p.charge(tagging, calls+1) <= amount {
			calls++
		}
		return calls
	}
	hammer := func() int64 {
		var passed atomic.Int64
		var callers sync.WaitGroup
		for i := range 8 {
			callers.Go(func() {
				for n := range 60 {
					c := tag("acme", key)
					if n%7 == i%7 {
						c.Fault = "canned,error-in-200" // gives back what it held
					}
					switch a := s.call(c); {
					case a.Status == http.StatusOK && c.Fault == "canned":
						passed.Add(1)
					case a.Status != http.StatusOK && (a.Status != http.StatusPaymentRequired || a.reason() != "payment-required"):
						t.Errorf("%d %s", a.Status, a.Body)
					}
				}
			})
		}
		callers.Wait()
		for s.call(tag("acme", key)).Status == http.StatusOK { // what the failed ones gave back
			passed.Add(1)
		}
		return passed.Load()
	}
	first := hammer()
	if want := affordable(50); first != want {
		t.Errorf("with 0.50, %d calls passed, want %d", first, want)
	}
	s.Kill() // what is not settled is known again
	s.restart()
	if a := s.call(tag("acme", key)); a.reason() != "payment-required" {
		t.Errorf("after a kill: %d %s", a.Status, a.Body)
	}
	s.topUp("acme", "0.25")
	second := hammer()
	if want := affordable(75) - first; second != want {
		t.Errorf("with 0.25 more, %d calls passed, want %d", second, want)
	}
	s.advance("2026-11-10T10:00:00+08:00")
	if u := s.usage("acme"); u.Balance != "0.00" || s.state("acme") != "active" || u.counted()[tagging] != first+second {
		t.Errorf("balance %s, %s, %v", u.Balance, s.state("acme"), u.counted())
	}
	s.do("PATCH", "/accounts/acme", map[string]any{"credit_limit": "0.10"}, nil)
	if a := s.call(tag("acme", key)); a.Status != http.StatusOK {
		t.Errorf("with a credit limit: %d %s", a.Status, a.Body)
	}
}

// TestAllowInGrace: calls pass in grace and are billed, in retention they do not
// (D21).
func TestAllowInGrace(t *testing.T) {
	t.Parallel()
	clock, at := testClock("2026-11-10T09:00:00+08:00")
	s := newScene(t, lateBook, clock, at, "grace 15d", "allow_in_grace\n\t\t\tgrace 15d")
	key := s.account("acme", "")
	made := 0
	expect := func(reason string) {
		t.Helper()
		for range 3 {
			if a := s.call(tag("acme", key)); a.reason() != reason || (reason == "") != (a.Status == http.StatusOK) {
				t.Errorf("%d %s, want %q", a.Status, a.Body, reason)
			} else if reason == "" {
				made++
			}
		}
	}
	expect("") // two are free, one makes the debt
	s.advance("2026-11-10T10:00:00+08:00")
	if got := s.state("acme"); got != "grace" {
		t.Fatalf("the account is in %s", got)
	}
	expect("")
	s.advance("2026-11-25T09:59:59+08:00")
	expect("")
	if status, p := s.refusal("POST", "/accounts/acme/subscriptions", map[string]any{"instance": "products", "row": "small"}); status != http.StatusConflict || !strings.Contains(p.Detail, "arrears") {
		t.Errorf("a purchase in grace: %d %+v", status, p)
	}
	s.Kill()
	s.restart()
	expect("")
	s.advance("2026-11-25T10:00:00+08:00")
	expect("arrears")
	s.advance("2026-12-01T00:00:00+08:00")
	st := s.statement("acme", "2026-11")
	st.check(t, prices{tagging: {{3, "0.01"}, {0, "0.005"}}})
	if int(st.counted()[tagging]) != made || st.notCounted()[tagging+" arrears"] != 3 || st.Closing != "-0.07" {
		t.Errorf("%d calls were made: %v, %v, closing %s", made, st.counted(), st.notCounted(), st.Closing)
	}
}

// TestEndOfDay: terms last until the next local midnight, in calls, too (D15).
func TestEndOfDay(t *testing.T) {
	t.Parallel()
	clock, at := testClock("2026-01-31T09:10:07+08:00")
	s := newScene(t, monthEndBook, clock, at+"\n\t\texpiry end_of_day")
	key := s.account("acme", "100.00")
	s.do("PATCH", "/accounts/acme", map[string]any{"pay_per_use": false}, nil)
	var p, q sale
	s.do("POST", "/accounts/acme/packages", map[string]any{"package": "tagging-1000"}, &p)
	s.do("POST", "/accounts/acme/subscriptions", map[string]any{"instance": "products", "row": "small"}, &q)
	for _, b := range []sale{p, q} {
		if got := localTime(b.End.Unix()); got != "2026-03-01T00:00:00+08:00" {
			t.Errorf("a month from 31 January ends at %s", got)
		}
	}
	s.advance("2026-02-28T23:59:59+08:00")
	for range 101 { // 100 are free
		if a := s.call(tag("acme", key)); a.Status != http.StatusOK {
			t.Errorf("a second before: %d %s", a.Status, a.Body)
		}
	}
	search := call{Key: key, Path: "/v2/image/search", Fault: "canned"}
	if a := s.call(search); a.Status != http.StatusOK {
		t.Errorf("a second before: %d %s", a.Status, a.Body)
	}
	s.advance("2026-03-01T00:00:00+08:00")
	if a := s.call(search); a.reason() != "subscription-expired" {
		t.Errorf("at midnight: %d %s", a.Status, a.Body)
	}
	for range 100 {
		s.call(tag("acme", key))
	}
	if a := s.call(tag("acme", key)); a.reason() != "payment-required" {
		t.Errorf("at midnight: %d %s", a.Status, a.Body)
	}
	// The anchor day is kept: three months from 31 January.
	s.do("POST", "/accounts/acme/instances/products/renewals", map[string]any{"months": 2}, &q)
	if from, to := localTime(q.Start.Unix()), localTime(q.End.Unix()); from != "2026-03-01T00:00:00+08:00" || to != "2026-05-01T00:00:00+08:00" {
		t.Errorf("the renewal is from %s to %s", from, to)
	}
}

// TestFinanceRole: who has the token adjusts, nobody else, and nobody where there
// is none (D36).
func TestFinanceRole(t *testing.T) {
	t.Parallel()
	clock, at := testClock("2026-11-10T09:00:00+08:00")
	s := newScene(t, noAllowance(t), clock, at)
	key := s.account("acme", "1000.00") // mistyped: 10.00 were paid
	adjust := []string{"adjust", "acme", "--reason=wire 4711 was mistyped", "--reference=ticket 812", "--", "-990.01"}
	expect := func(what, token, want string) {
		t.Helper()
		text, err := s.withEnv("TALLYGATE_FINANCE_TOKEN="+token).commandLine(nil, adjust...)
		if (err == nil) != (want == "") || !strings.Contains(text, want) || strings.Contains(text, yearToken) {
			t.Errorf("%s: %v: %s, want %q", what, err, text, want)
		}
	}
	expect("without a token in the configuration", yearToken, "sha256")
	s.account("beta", "10.00")
	if err := s.Reload(example(t, clock, at+financeSetting())); err != nil {
		t.Fatal(err)
	}
	s.client.CloseIdleConnections()
	expect("no token", "", "finance role")
	expect("a wrong token", "guess", "finance role")
	if u := s.usage("acme"); u.Balance != "1000.00" {
		t.Fatalf("balance %s after refusals", u.Balance)
	}
	expect("the token", yearToken, "")
	for range 10 { // 0.03
		s.call(tag("acme", key))
	}
	adjust = []string{"adjust", "acme", "--reason=and a fee", "--reference=ticket 813", "--", "-9.99"}
	expect("what leads to a debt", yearToken, "")
	if a := s.call(tag("acme", key)); a.Status != http.StatusOK {
		t.Errorf("before the settlement: %d %s", a.Status, a.Body)
	}
	s.advance("2026-11-10T10:00:00+08:00")
	if a := s.call(tag("acme", key)); a.reason() != "arrears" {
		t.Errorf("after it: %d %s", a.Status, a.Body)
	}
	s.advance("2026-12-01T00:00:00+08:00")
	st := s.statement("acme", "2026-11")
	if st.Adjustments != "-1000.00" || st.Credits != "1000.00" || st.Usage != "0.03" || st.Closing != "-0.03" {
		t.Errorf("the statement has adjustments of %s, credits of %s and closes with %s", st.Adjustments, st.Credits, st.Closing)
	}
	if log := s.Log(); strings.Contains(log, yearToken) {
		t.Error("the token is in the log")
	}
}
