package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// outcome is what becomes of a command: refused for a reason, or done. Amounts
// are what the balance pays.
type outcome struct {
	word       string
	amount     int64
	start, end int64
	trial      bool
}

func refused(word string) outcome { return outcome{word: word} }

// statusOf are the statuses of refused commands.
var statusOf = map[string]int{"invalid": 422, "not-found": 404, "not-allowed": 409, "conflict": 409, "amount-changed": 409, "insufficient-balance": 402}

// pay moves money for what is bought, all or nothing (D14, D21, D34).
func (a *yearAccount) pay(most, kind string, due ...int64) outcome {
	total := int64(0)
	for _, d := range due {
		total += d
	}
	switch {
	case a.state() != "active":
		return refused("not-allowed")
	case most != "" && total > rat100(most):
		return outcome{word: "amount-changed", amount: total}
	case total > 0 && a.balance-total < -a.limit:
		return refused("insufficient-balance")
	}
	for _, d := range due {
		if d != 0 {
			a.move(a.now, monthOf(a.now), kind, -d)
		}
	}
	return outcome{amount: total}
}

func rat100(amount string) int64 { return rat(amount).Mul(rat(amount), rat("100")).Num().Int64() }

func (a *yearAccount) credit(kind string, amount int64) outcome {
	a.move(a.now, monthOf(a.now), kind, amount)
	a.leaveArrears()
	return outcome{amount: -amount}
}

// yearCommand is a command, and what it does to the model.
type yearCommand struct {
	what    string
	method  string // default POST
	path    string // below the account
	body    map[string]any
	preview bool
	capped  bool // takes max_amount
	run     func(a *yearAccount, most string) outcome
}

// told is what the API says of a command.
type told struct {
	word    string // of a refusal
	Amount  string
	Balance string
	State   string
	Start   time.Time
	End     time.Time
	Trial   bool
	raw     string
}

// command carries a command out on gateway and model, sometimes after a
// preview, or with less agreed than is due, and sometimes twice.
func (y *year) command(a *yearAccount, c yearCommand, r *rand.Rand) {
	dry := c.run(a.clone(), "")
	if c.preview && r.IntN(4) == 0 {
		y.preview(a, c, dry)
	}
	if c.capped && dry.word == "" && r.IntN(4) == 0 {
		less := dollars(dry.amount - 1)
		out := c.run(a.clone(), less)
		y.expect(a, c, out, y.send(a, c, less, y.newKey()))
	}
	most := ""
	if c.capped && r.IntN(2) == 0 {
		most = dollars(dry.amount)
	}
	before := a.balance
	out := c.run(a, most)
	a.fellLow(a.now, before)
	a.watchDebt()
	if out.trial {
		a.mu.Lock()
		a.trials[a.customer] = true
		a.mu.Unlock()
	}
	key := y.newKey()
	got := y.send(a, c, most, key)
	y.expect(a, c, out, got)
	word := "done"
	if out.word != "" {
		word = "refused: " + out.word
	}
	a.seen[c.what+" "+word]++
	if r.IntN(8) == 0 && out.word == "" {
		if again := y.send(a, c, most, key); again.raw != got.raw {
			y.t.Errorf("%s, %s again: %s, first %s (D33)", a.id, c.what, again.raw, got.raw)
		}
	}
}

// newKey is an idempotency key that was not used before.
func (y *year) newKey() string { return fmt.Sprint("year-", y.commands.Add(1)) }

func (y *year) send(a *yearAccount, c yearCommand, most, key string) (v told) {
	body := maps.Clone(c.body)
	if most != "" {
		body["max_amount"] = most
	}
	method := c.method
	if method == "" {
		method = http.MethodPost
	}
	var raw json.RawMessage
	header := http.Header{"Authorization": {"Bearer " + yearToken}}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	err := y.API(harness.Request{Method: method, Path: "/tallygate/accounts/" + a.id + c.path, Body: body, Header: header}, &raw)
	var no *harness.Refused
	switch {
	case errors.As(err, &no):
		p := problemOf([]byte(no.Body))
		v.word, v.raw = (answer{Body: no.Body, Whole: true}).reason(), no.Body
		if v.word == "amount-changed" {
			_ = json.Unmarshal([]byte(no.Body), &v) // the amount
		}
		if want := statusOf[v.word]; no.Status != want || p.Detail == "" {
			y.t.Errorf("%s, %s: status %d, want %d: %s", a.id, c.what, no.Status, want, no.Body)
		}
	case err != nil:
		y.t.Errorf("%s, %s: %v", a.id, c.what, err)
	default:
		v.raw = string(raw)
		if err := json.Unmarshal(raw, &v); err != nil {
			y.t.Errorf("%s, %s: %v in %s", a.id, c.what, err, raw)
		}
	}
	return v
}

// expect holds the answer against the model.
func (y *year) expect(a *yearAccount, c yearCommand, want outcome, got told) {
	wrong := got.word != want.word
	switch {
	case want.word == "amount-changed":
		wrong = wrong || got.Amount != dollars(want.amount)
	case want.word == "" && c.preview:
		wrong = wrong || got.Amount != dollars(-want.amount) || got.Balance != dollars(a.balance) || got.State != a.state() ||
			want.end != 0 && (got.Start.Unix() != want.start || got.End.Unix() != want.end || got.Trial != want.trial)
	}
	if wrong {
		y.t.Errorf("%s at %s, %s %v: %s, want %+v with a balance of %s", a.id, localTime(a.now), c.what, c.body, got.raw, want, dollars(a.balance))
	}
}

// preview asks what a command would cost now and in five minutes (D34).
func (y *year) preview(a *yearAccount, c yearCommand, dry outcome) {
	var p struct {
		Now, Later struct {
			told
			At      time.Time
			Refused *problem
		}
	}
	got := y.send(a, yearCommand{what: "preview of " + c.what, path: c.path + "/preview", body: c.body}, "", "")
	if dry.word != "" {
		y.expect(a, c, dry, got)
		return
	}
	if err := json.Unmarshal([]byte(got.raw), &p); err != nil || got.word != "" {
		y.t.Errorf("%s, preview of %s: %v: %s", a.id, c.what, err, got.raw)
		return
	}
	if p.Now.Amount != dollars(dry.amount) || p.Now.At.Unix() != a.now || dry.end != 0 && p.Now.End.Unix() != dry.end {
		y.t.Errorf("%s at %s, preview of %s %v: %s, want %+v", a.id, localTime(a.now), c.what, c.body, got.raw, dry)
	}
	if nextHour(a.now)-a.now <= 300 {
		return // what is not settled yet would be
	}
	later := a.clone()
	later.pass(a.now + 300)
	out := c.run(later, "")
	if refused := p.Later.Refused != nil; refused != (out.word != "") || !refused && p.Later.Amount != dollars(out.amount) {
		y.t.Errorf("%s at %s, preview of %s %v: %s, want in five minutes %+v", a.id, localTime(a.now), c.what, c.body, got.raw, out)
	}
}

// commandsOf chooses what an account does at a step.
func (y *year) commandsOf(a *yearAccount, r *rand.Rand) (list []yearCommand) {
	if c, ok := y.payment(a, r); ok {
		list = append(list, c)
	}
	choices := []func(*yearAccount, *rand.Rand) (yearCommand, bool){
		chosenPackage, chosenPackage, chosenRenewal, chosenAuto, chosenSubscription, chosenSubscription, chosenTerm, chosenTerm,
		chosenChange, chosenChange, chosenAdjustment, chosenSettings, chosenAcknowledgement, chosenAcknowledgement, chosenRow,
	}
	for range r.IntN(4) {
		if c, ok := choices[r.IntN(len(choices))](a, r); ok {
			list = append(list, c)
		}
	}
	return list
}

// payment is a top-up, by the customer's habits.
func (y *year) payment(a *yearAccount, r *rand.Rand) (c yearCommand, ok bool) {
	pays, amount := r.IntN(6) == 0, int64(5000+r.IntN(60000))
	switch habit := a.habit(); {
	case a.released != 0:
		pays, amount = r.IntN(12) == 0, int64(1+r.IntN(500))
	case a.arrears != 0:
		pays = r.IntN([]int{2, 4, 12, 1000}[habit]) == 0
		if debt := -a.limit - a.balance; r.IntN(3) == 0 {
			amount = debt
		} else if r.IntN(3) == 0 && debt > 1 {
			amount = debt - 1 // not enough
		}
	case habit == 3:
		pays = false
	case habit == 2:
		amount = int64(20 + r.IntN(4000))
	}
	if !pays {
		return c, false
	}
	return yearCommand{what: "top-up in " + a.state(), path: "/topups", body: map[string]any{"amount": dollars(amount), "reference": "wire"}, preview: true,
		run: func(a *yearAccount, _ string) outcome { return a.credit("top-up", amount) }}, true
}

// habit is how an account pays: at once, late, hardly, never.
func (a *yearAccount) habit() int {
	return []int{0, 0, 1, 0, 1, 2, 1, 2, 0, 3}[numberOf(strings.TrimLeft(a.id, "y0"))%10]
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }
