package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// noAllowance is the shipped price book without free calls.
func noAllowance(t *testing.T) string {
	t.Helper()
	return strings.ReplaceAll(shipped(t, "pricebook.yaml"), "free_per_month: 1_000", "free_per_month: 0")
}

// TestArrearsAndTopUp: on the wall's clock, a debt blocks and a payment
// releases within a second (D19, D22).
func TestArrearsAndTopUp(t *testing.T) {
	t.Parallel()
	s := newScene(t, noAllowance(t), "flush_interval 1h", "flush_interval 1s")
	key := s.account("acme", "0.05")
	calls := 0
	for round := range 3 {
		for range 20 { // 0.06
			if a := s.call(tag("acme", key)); a.Status != http.StatusOK && (a.reason() != "arrears" || calls < 20) {
				t.Fatalf("round %d: %d %s", round, a.Status, a.Body)
			} else if a.Status == http.StatusOK {
				calls++
			}
		}
		eventually(t, "the debt of a settled period", 10*time.Second, func() bool { return s.state("acme") == "grace" })
		eventually(t, "a refusal after it", time.Second, func() bool {
			a := s.call(tag("acme", key))
			if a.Status == http.StatusOK {
				calls++
			}
			return a.reason() == "arrears"
		})
		if status, p := s.refusal("POST", "/accounts/acme/packages", map[string]any{"package": "image-tagging-10k-1y"}); status != http.StatusPaymentRequired && status != http.StatusConflict {
			t.Errorf("a package in arrears: %d %+v (D21)", status, p)
		}
		s.settle()
		s.topUp("acme", "0.06")
		eventually(t, "a call after the top-up", time.Second, func() bool { return s.call(tag("acme", key)).Status == http.StatusOK })
		calls++
	}
	if n := s.usage("acme").counted()[tagging]; n != int64(calls) {
		t.Errorf("%d calls were counted, %d were answered", n, calls)
	}
}

func (s *scene) state(account string) string {
	s.t.Helper()
	var a struct{ State string }
	s.do("GET", "/accounts/"+account, nil, &a)
	return a.State
}

// TestObserve lets everything through, and says what it would have refused.
func TestObserve(t *testing.T) {
	t.Parallel()
	s := newScene(t, noAllowance(t), "\n\tmeter {", "\n\tmeter {\n\t\tmode observe")
	key := s.account("acme", "0.01")
	search := call{Key: key, Path: "/v2/image/search", Fault: "canned"}
	pass := func(n int, c call) {
		t.Helper()
		for range n {
			if a := s.call(c); a.Status != http.StatusOK || a.Header.Get("RateLimit") != "" {
				t.Fatalf("%s: %d %v %s", c.Path, a.Status, a.Header, a.Body)
			}
		}
	}
	pass(10, tag("acme", key))
	pass(3, search)               // there is no subscription
	pass(4, tag("acme", ""))      // nobody
	pass(4, tag("acme", "tg_no")) // nobody that is known
	s.settle()
	pass(5, tag("acme", key)) // in arrears
	if a := s.call(call{Key: key, Path: "/v2/no/such"}); a.Status != http.StatusNotFound || !strings.Contains(a.Body, "APIGW.0101") {
		t.Errorf("an unknown operation is not left to the upstream: %d %s", a.Status, a.Body)
	}
	u := s.usage("acme")
	if n := u.counted(); n[tagging] != 10 || len(n) != 1 {
		t.Errorf("counted %v, want 10 calls of %s", n, tagging)
	}
	want := map[string]int64{"search/search payment-required (observed)": 3, tagging + " arrears (observed)": 5, " unknown-operation (observed)": 1}
	if got := u.notCounted(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("recorded %v, want %v", got, want)
	}
}

// TestBesideTheRunningGateway: its configuration can be checked, and its ledger
// cannot be taken.
func TestBesideTheRunningGateway(t *testing.T) {
	t.Parallel()
	s := newScene(t, "")
	key := s.account("acme", "")
	if out, err := s.Command("validate", "--config", "Caddyfile", "--adapter", "caddyfile"); err != nil || !strings.Contains(out, "Valid configuration") {
		t.Errorf("validate: %v\n%s", err, out)
	}
	second := harness.New(t, harness.Config{Upstream: s.up.URL(), Files: map[string]string{"pricebook.yaml": shipped(t, "pricebook.yaml")},
		Caddyfile: example(t, "./data/ledger", filepath.Join(s.Dir, "data/ledger"))})
	if err := second.Start(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", s.PID())) {
		t.Errorf("a second process on the ledger: %v, want an error that names process %d", err, s.PID())
	}
	if a := s.call(tag("acme", key)); a.Status != http.StatusOK {
		t.Errorf("the first process: %d %s", a.Status, a.Body)
	}
	if n := s.usage("acme").counted()[tagging]; n != 1 {
		t.Errorf("%d calls were counted, want 1", n)
	}
	s.Kill()
	if err := second.Start(); err != nil {
		t.Fatalf("after the first was killed: %v", err)
	}
	s.Gateway = second
	if n := s.usage("acme").counted()[tagging]; n != 1 {
		t.Errorf("%d calls are in the ledger, want 1", n)
	}
}

// TestReports asks for what an operator asks for: usage now, settle now, the
// statement, and what a refusal was.
func TestReports(t *testing.T) {
	t.Parallel()
	s := newScene(t, noAllowance(t))
	key := s.account("acme", "10.00")
	for range 100 {
		s.call(tag("acme", key))
	}
	u := s.usage("acme")
	if len(u.Lines) != 1 || u.Lines[0].Open != 100 || u.Unsettled != "0.30" || u.Debited != "0.00" || u.Balance != "10.00" {
		t.Errorf("before the settlement: %+v", u)
	}
	asked := time.Now()
	var settled struct {
		Until time.Time `json:"settled_until"`
	}
	s.do("POST", "/settle", nil, &settled)
	if settled.Until.Before(asked) {
		t.Errorf("asked at %s, settled until %s", asked, settled.Until)
	}
	u = s.usage("acme")
	if len(u.Lines) != 1 || u.Lines[0].Settled != 100 || u.Lines[0].Open != 0 || u.Unsettled != "0.00" || u.Debited != "0.30" || u.Balance != "9.70" {
		t.Errorf("after the settlement: %+v", u)
	}
	st := s.statement("acme", u.Month)
	st.check(t, prices{tagging: {{10_000, "0.003"}, {100_000, "0.0025"}, {1_000_000, "0.0018"}, {0, "0.001"}}})
	if st.counted()[tagging] != 100 || st.Usage != "0.30" || st.Closing != "9.70" {
		t.Errorf("statement %+v", st)
	}
	table := s.get("http://" + s.Admin + "/tallygate/accounts/acme/statements/" + u.Month + "?format=table")
	for _, want := range []string{"acme", u.Month, tagging, "100", "0.30", "9.70"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	s.checkRefusals(key)
}

// checkRefusals decodes the id of a refused call, and what no id is.
func (s *scene) checkRefusals(key string) {
	s.t.Helper()
	began := time.Now()
	a := s.call(call{Key: key, Path: "/v2/image/search", Fault: "canned"})
	id := problemOf([]byte(a.Body)).RefusalID
	var r struct {
		At                         time.Time
		Account, Operation, Reason string
	}
	s.do("GET", "/refusals/"+id, nil, &r)
	if r.Account != "acme" || r.Operation != "search/search" || r.Reason != "payment-required" || r.At.Before(began.Add(-time.Minute)) || r.At.After(time.Now().Add(time.Minute)) {
		s.t.Errorf("the refusal %s decodes to %+v", a.Body, r)
	}
	damaged := []byte(id)
	damaged[len(damaged)/2] ^= 1
	for name, asked := range map[string]struct {
		method, path string
		status       int
	}{
		"a damaged id":           {"GET", "/refusals/" + string(damaged), http.StatusNotFound},
		"no account":             {"GET", "/accounts/nobody/usage", http.StatusNotFound},
		"a month to come":        {"GET", "/accounts/acme/statements/" + time.Now().AddDate(0, 2, 0).Format("2006-01"), http.StatusUnprocessableEntity},
		"the wall's own clock":   {"POST", "/clock/advance", http.StatusConflict},
		"a statement's 13 month": {"GET", "/accounts/acme/statements/2026-13", http.StatusUnprocessableEntity},
	} {
		var body any
		if asked.method == "POST" {
			body = map[string]any{"by": "1h"}
		}
		if status, p := s.refusal(asked.method, asked.path, body); status != asked.status || p.Detail == "" {
			s.t.Errorf("%s: %d %+v, want %d", name, status, p, asked.status)
		}
	}
}

// TestPaymentsAreMadeOnce: one idempotency key is one payment (D33), also after
// a kill.
func TestPaymentsAreMadeOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t, "")
	s.account("acme", "")
	pay := func(amount string) (string, error) {
		var answer json.RawMessage
		err := s.API(harness.Request{Path: "/tallygate/accounts/acme/topups", Header: http.Header{"Idempotency-Key": {"wire-4711"}},
			Body: map[string]any{"amount": amount, "reference": "wire 4711"}}, &answer)
		return string(answer), err
	}
	first, err := pay("12.34")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		again, err := pay("12.34")
		if err != nil || again != first {
			t.Errorf("again: %s %v, first %s", again, err, first)
		}
		var refused *harness.Refused
		if _, err := pay("12.35"); !errors.As(err, &refused) || refused.Status != http.StatusConflict {
			t.Errorf("other content: %v", err)
		}
		s.Kill()
		s.restart()
	}
	if u := s.usage("acme"); u.Balance != "12.34" {
		t.Errorf("balance %s, want 12.34", u.Balance)
	}
}
