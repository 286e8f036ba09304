package integration

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/integration/harness"
)

// once sends a command of an account with an idempotency key, and gives the
// status, the word of a refusal, and the text of the answer.
func (s *scene) once(key, path string, body any) (status int, word, text string) {
	s.t.Helper()
	var raw json.RawMessage
	err := s.API(harness.Request{Path: "/tallygate/accounts/" + path, Body: body,
		Header: http.Header{"Idempotency-Key": {key}, "Authorization": {"Bearer " + yearToken}}}, &raw)
	var no *harness.Refused
	switch {
	case errors.As(err, &no):
		return no.Status, (answer{Body: no.Body, Whole: true}).reason(), no.Body
	case err != nil:
		s.t.Fatal(err)
	}
	return http.StatusCreated, "", string(raw)
}

func financeSetting() string {
	return fmt.Sprintf("\n\t\tfinance %x", sha256.Sum256([]byte(yearToken)))
}

// TestCommandsAreDoneOnce: every command that moves money is remembered over
// restarts and kills, with its answer; a refusal is not (D33).
func TestCommandsAreDoneOnce(t *testing.T) {
	t.Parallel()
	clock, at := testClock("2026-11-10T09:00:00+08:00")
	s := newScene(t, "", clock, at+financeSetting())
	s.account("acme", "")
	commands := []struct {
		path        string
		body, other map[string]any
	}{
		{"acme/topups", map[string]any{"amount": "5000.00", "reference": "wire"}, map[string]any{"amount": "5000.00", "reference": "wire 2"}},
		{"acme/packages", map[string]any{"package": "image-tagging-10k-1y"}, map[string]any{"package": "image-tagging-100k-1y"}},
		{"acme/packages/1/renewals", map[string]any{}, map[string]any{"max_amount": "24.00"}},
		{"acme/subscriptions", map[string]any{"instance": "products", "row": "s2500k-5"}, map[string]any{"instance": "products", "row": "s2500k-5", "months": 2}},
		{"acme/instances/products/renewals", map[string]any{"months": 1}, map[string]any{"months": 2}},
		{"acme/instances/products/changes", map[string]any{"row": "s5m-5"}, map[string]any{"row": "s5m-10"}},
		{"acme/adjustments", map[string]any{"amount": "-1.00", "reason": "a mistake", "reference": "ticket"}, map[string]any{"amount": "1.00", "reason": "a mistake", "reference": "ticket"}},
	}
	for i, c := range commands { // refused, and with the same key accepted later
		if i == 1 || i == 3 {
			if status, word, text := s.once(fmt.Sprint("poor-", i), strings.Replace(c.path, "acme", "poor", 1), c.body); status != http.StatusNotFound {
				t.Errorf("%s of nobody: %d %s: %s", c.path, status, word, text)
			}
		}
	}
	s.account("poor", "")
	for round := range 2 {
		want := []int{http.StatusPaymentRequired, http.StatusCreated}[round]
		if status, word, text := s.once("poor-1", "poor/packages", commands[1].body); status != want {
			t.Errorf("round %d: %d %s: %s, want %d", round, status, word, text, want)
		}
		s.topUp("poor", "24.00")
	}
	answers := map[int]string{}
	for i, c := range commands {
		_, word, text := s.once(fmt.Sprint("key-", i), c.path, c.body)
		if answers[i] = text; word != "" {
			t.Fatalf("%s: %s", c.path, text)
		}
	}
	balance := s.usage("acme").Balance
	for _, again := range []func(){func() {}, s.Kill, func() {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}} {
		if again(); s.PID() == 0 {
			s.restart()
		}
		s.do("POST", "/clock/advance", map[string]any{"by": "2h"}, nil)
		for i, c := range commands {
			if _, _, text := s.once(fmt.Sprint("key-", i), c.path, c.body); text != answers[i] {
				t.Errorf("%s again: %s, first %s", c.path, text, answers[i])
			}
			if status, word, text := s.once(fmt.Sprint("key-", i), c.path, c.other); status != http.StatusConflict || word != "idempotency-conflict" {
				t.Errorf("%s with other content: %d %s: %s", c.path, status, word, text)
			}
		}
		if now := s.usage("acme").Balance; now != balance {
			t.Errorf("the balance was %s and is %s", balance, now)
		}
	}
}

// TestTrialOncePerCustomer: over all accounts, over restarts, and after the
// trial's instance was released; who pays goes on from its end (D29).
func TestTrialOncePerCustomer(t *testing.T) {
	t.Parallel()
	clock, at := testClock("2026-01-30T09:10:07+08:00")
	s := newScene(t, "", clock, at)
	for _, id := range []string{"acme", "acme-eu", "acme-us", "other"} {
		s.do("POST", "/accounts", map[string]any{"account": id, "customer": strings.SplitN(id, "-", 2)[0]}, nil)
		s.topUp(id, "1000.00")
	}
	if text, err := s.commandLine(nil, "subscription", "trial", "acme", "products", "s2500k-5"); err == nil || !strings.Contains(text, "trial") {
		t.Errorf("a row without a trial: %v: %s", err, text)
	}
	var b sale
	if text, err := s.commandLine(&b, "subscription", "trial", "acme", "products", "s100k-1"); err != nil || b.Amount != "0.00" || localTime(b.End.Unix()) != "2026-02-28T09:10:07+08:00" {
		t.Fatalf("the trial: %v: %s", err, text)
	}
	none := func(account string) {
		t.Helper()
		text, err := s.commandLine(nil, "subscription", "trial", account, "again", "s100k-1")
		if err == nil || !strings.Contains(text, "customer acme has had its trial") {
			t.Errorf("a second trial, on account %s: %v: %s", account, err, text)
		}
	}
	none("acme-eu")
	s.Kill()
	s.restart()
	none("acme-us")
	if text, err := s.commandLine(nil, "subscription", "trial", "other", "again", "s100k-1"); err != nil {
		t.Errorf("the trial of another customer: %v: %s", err, text)
	}
	s.advance("2026-03-10T00:00:00+08:00") // expired: to pay now is a renewal from the trial's end
	if text, err := s.commandLine(&b, "subscription", "renew", "acme", "products"); err != nil || b.Amount != "-300.00" ||
		localTime(b.Start.Unix()) != "2026-02-28T09:10:07+08:00" || localTime(b.End.Unix()) != "2026-03-30T09:10:07+08:00" {
		t.Errorf("a renewal after the trial: %v: %s", err, text)
	}
	s.advance("2026-04-30T00:00:00+08:00")
	if text, err := s.commandLine(nil, "release", "acknowledge", "acme", "products"); err != nil {
		t.Errorf("acknowledging the instance's release: %v: %s", err, text)
	}
	none("acme")
}

// TestChangeUnderCalls: while a subscription is changed, no call falls between
// the old one and the new, and one in flight keeps what paid for it (D30).
func TestChangeUnderCalls(t *testing.T) {
	t.Parallel()
	const book = `
currency: USD
pay_per_use:
  - operations: [recognition/image-tagging, recognition/main-object-detection, recognition/celebrity-recognition, recognition/media-tagging]
    tiers: [{price: 0.01}]
subscriptions:
  - service: search
    operations: {search/search: search, search/add: add, search/delete: delete}
    delete_qps: 20
    rows: [{id: one, images: 100, qps: 5000, price: 100.00}, {id: two, images: 200, qps: 6000, price: 200.00}]
`
	s := newScene(t, book)
	key := s.account("acme", "1000.00")
	s.subscribe("acme", "products", "one")
	search := call{Key: key, Path: "/v2/image/search", Fault: "canned"}
	slow := search
	slow.Fault = "canned,chunked,slow-body=1500ms"
	begun, ended := make(chan struct{}), make(chan answer, 1)
	go func() { ended <- s.callFrom(slow, func() { close(begun) }) }()
	<-begun
	stop, reasons := make(chan struct{}), make(chan map[string]int64, 4)
	for range cap(reasons) {
		go func() {
			seen := map[string]int64{}
			for {
				select {
				case <-stop:
					reasons <- seen
					return
				default:
					a := s.call(search)
					seen[fmt.Sprint(a.Status, a.reason())]++
				}
			}
		}()
	}
	for i := range 12 {
		s.do("POST", "/accounts/acme/instances/products/changes", map[string]any{"row": []string{"two", "one"}[i%2]}, nil)
	}
	close(stop)
	seen := map[string]int64{}
	for range cap(reasons) {
		for reason, n := range <-reasons {
			seen[reason] += n
		}
	}
	if a := <-ended; a.Status != http.StatusOK || !a.Whole {
		t.Errorf("the slow call: %d %s", a.Status, a.Body)
	}
	s.settle()
	st := s.statement("acme", s.usage("acme").Month)
	paid := map[string]int64{}
	for _, l := range st.Lines {
		paid[l.Funding] += l.Calls
	}
	if len(seen) != 1 || seen["200"]+1 != st.counted()["search/search"] || paid["subscription:1"] == 0 {
		t.Errorf("clients saw %v; counted are %v (by %v)", seen, st.counted(), slices.Sorted(maps.Keys(paid)))
	}
}
