package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/tallygate/tallygate/integration/harness"
)

// reply is what the admin API answered; Status 0 where nothing came.
type reply struct {
	Status int
	Body   string
}

// word is the last part of a problem's type.
func (r reply) word() string { return answer{Body: r.Body, Whole: true}.reason() }

// post sends a body as it is, under an idempotency key and as the finance role. It
// may be called from any goroutine.
func (s *scene) post(method, path, key, body string) (r reply) {
	request, err := http.NewRequest(method, "http://"+s.Admin+"/tallygate/"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Error(err)
		return r
	}
	request.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {key}, "Authorization": {"Bearer " + yearToken}}
	response, err := s.client.Do(request)
	if err != nil {
		return r
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return r
	}
	return reply{response.StatusCode, string(text)}
}

// TestRow14TopUp: one top-up under one key, a thousand times at once, after a kill,
// and after a year, is credited once and answered the same; with another amount it
// is a conflict, also where both came at once (D33).
func TestRow14TopUp(t *testing.T) {
	t.Parallel()
	r := newRow(t, 14, "one top-up key at once", 1, 20)
	defer r.end()
	at := 100
	if r.long {
		at = 1000
	}
	clock, start := testClock("2026-11-10T09:00:00+08:00")
	s := newScene(t, "", clock, start)
	s.account("acme", "")
	credited := int64(0) // in cents
	for round := range r.rounds {
		first, second := 1+r.chance.Int64N(1_000_000), 1+r.chance.Int64N(1_000_000)
		if first == second {
			second++
		}
		won := s.race(r, at, fmt.Sprint("same ", round), first)
		credited += first
		wonBoth, body := s.race2(r, at, fmt.Sprint("two ", round), first, second)
		credited += wonBoth
		check := func(when string) {
			t.Helper()
			s.again(r, when, fmt.Sprint("same ", round), first, second, won)
			other := first + second - wonBoth
			s.again(r, when, fmt.Sprint("two ", round), wonBoth, other, body)
			if have := s.usage("acme").Balance; have != inCents(credited) {
				r.wrong++
				t.Errorf("round %d, %s: the balance is %s, and %s was paid", round, when, have, inCents(credited))
			}
		}
		check("at once")
		s.Kill()
		s.restart()
		check("after a kill")
		s.do("POST", "/clock/advance", map[string]any{"by": "365d"}, nil)
		check("after a year")
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		s.restart()
		check("after a year and a stop")
	}
	r.note("%d at once, %d years", at, r.rounds)
}

func inCents(n int64) string { return fmt.Sprintf("%d.%02d", n/100, n%100) }

func topUpBody(amount int64) string {
	return fmt.Sprintf(`{"amount":"%s","reference":"wire"}`, inCents(amount))
}

// atOnce sends n requests, released together.
func (s *scene) atOnce(n int, key string, amount func(i int) int64) []reply {
	replies := make([]reply, n)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-begin
			replies[i] = s.post("POST", "accounts/acme/topups", key, topUpBody(amount(i)))
		})
	}
	close(begin)
	all.Wait()
	return replies
}

// race sends the same top-up n times at once, and gives the one answer.
func (s *scene) race(r *row, n int, key string, amount int64) (body string) {
	s.t.Helper()
	for _, reply := range s.atOnce(n, key, func(int) int64 { return amount }) {
		if body == "" {
			body = reply.Body
		}
		if reply.Status != http.StatusCreated || reply.Body != body {
			r.wrong++
			s.t.Errorf("%s: %d %s, and before it %s", key, reply.Status, reply.Body, body)
		}
	}
	return body
}

// race2 sends two amounts under one key, n times at once: one of them is credited,
// the other is a conflict every time.
func (s *scene) race2(r *row, n int, key string, first, second int64) (won int64, body string) {
	s.t.Helper()
	amounts := []int64{first, second}
	replies := s.atOnce(n, key, func(i int) int64 { return amounts[i%2] })
	accepted := map[int64]map[string]int{}
	for i, reply := range replies {
		switch {
		case reply.Status == http.StatusCreated:
			won, body = amounts[i%2], reply.Body
			if accepted[won] == nil {
				accepted[won] = map[string]int{}
			}
			accepted[won][body]++
		case reply.Status != http.StatusConflict || reply.word() != "idempotency-conflict":
			r.wrong++
			s.t.Errorf("%s: %d %s", key, reply.Status, reply.Body)
		}
	}
	if len(accepted) != 1 || len(accepted[won]) != 1 || accepted[won][body] != n/2 {
		r.doubled++
		s.t.Errorf("%s: accepted %v", key, accepted)
	}
	return won, body
}

// again asks once more, for the same and for another amount.
func (s *scene) again(r *row, when, key string, amount, other int64, body string) {
	s.t.Helper()
	if reply := s.post("POST", "accounts/acme/topups", key, topUpBody(amount)); reply.Body != body {
		r.lost++
		s.t.Errorf("%s, %s: %d %s, first %s", key, when, reply.Status, reply.Body, body)
	}
	if reply := s.post("POST", "accounts/acme/topups", key, topUpBody(other)); reply.Status != http.StatusConflict || reply.word() != "idempotency-conflict" {
		r.wrong++
		s.t.Errorf("%s, another amount %s: %d %s", key, when, reply.Status, reply.Body)
	}
}

// ledgerState is all of the ledger that a command could change, as text.
func (s *scene) ledgerState(accounts ...string) string {
	s.t.Helper()
	var status map[string]json.RawMessage
	s.do("GET", "/status", nil, &status)
	text := ""
	for _, name := range []string{"now", "accounts", "settled_until", "journal_head", "journal_hash", "price_book"} {
		text += fmt.Sprintf("%s %s\n", name, status[name])
	}
	for _, id := range accounts {
		var account json.RawMessage
		if err := s.API(harness.Request{Path: "/tallygate/accounts/" + id}, &account); err != nil {
			s.t.Fatal(err)
		}
		text += string(account) + "\n"
	}
	return text
}
