package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/tallygate/tallygate/integration/upstream"
)

// checkTruth holds what the clients saw against what the upstream did, account
// by account and month by month (D2).
func (y *year) checkTruth() {
	done := map[string]int64{}
	for e, err := range upstream.Truth(y.truth) {
		if err != nil {
			y.t.Fatal(err)
		}
		if e.Success {
			id, rest, _ := strings.Cut(e.RequestID, "/")
			month, _, _ := strings.Cut(rest, "/")
			done[id+" "+month+" "+e.Operation]++
		}
	}
	counted := map[string]int64{}
	for _, group := range y.groups {
		for _, a := range group {
			for line, n := range a.lines {
				if month, rest, _ := strings.Cut(line, " "); rest != "" {
					if operation, word, _ := strings.Cut(rest, " "); fundings(word) {
						counted[a.id+" "+month+" "+operation] += n
					}
				}
			}
		}
	}
	if !maps.Equal(done, counted) {
		y.t.Errorf("the upstream did %v, clients saw %v", done, counted)
	}
}

// checkMoney: what came in is what there is and what was charged, of all
// accounts, by the gateway's own figures and by the model's.
func (y *year) checkMoney() {
	var in, charged, balances, model atomic.Int64
	y.each(func(a *yearAccount, _ *rand.Rand) {
		for _, month := range append(sortedKeys(a.closed), "2027-01") {
			for _, m := range y.statement(a.id, month).Movements {
				if m.Kind == "top-up" || m.Kind == "adjustment" {
					in.Add(cents(y.t, m.Amount))
				} else {
					charged.Add(-cents(y.t, m.Amount))
				}
			}
		}
		for _, m := range a.moves {
			if m.kind == "top-up" || m.kind == "adjustment" {
				model.Add(m.amount)
			}
		}
		var got struct{ Balance string }
		y.do("GET", "/accounts/"+a.id, nil, &got)
		balances.Add(cents(y.t, got.Balance))
	})
	if in.Load() != balances.Load()+charged.Load() || in.Load() != model.Load() {
		y.t.Errorf("%s came in (the model: %s), %s are left and %s were charged", dollars(in.Load()), dollars(model.Load()), dollars(balances.Load()), dollars(charged.Load()))
	}
	y.money = fmt.Sprintf("%s in, %s charged, %s left", dollars(in.Load()), dollars(charged.Load()), dollars(balances.Load()))
}

// checkReplays recomputes every line of every statement that anything but a
// subscription paid for (D35).
func (y *year) checkReplays() {
	y.each(func(a *yearAccount, _ *rand.Rand) {
		lines := map[string]bool{}
		for line := range a.lines {
			part := strings.Fields(line)
			if fundings(part[2]) && !strings.HasPrefix(part[2], "subscription") {
				lines[part[0]+"/replay?operation="+part[1]] = true
			}
		}
		for _, line := range slices.Sorted(maps.Keys(lines)) {
			var r struct {
				Debited, Statement string
				Same               bool
			}
			y.do("GET", "/accounts/"+a.id+"/statements/"+line, nil, &r)
			if !r.Same || r.Debited != r.Statement {
				y.t.Errorf("%s %s: %+v", a.id, line, r)
			}
			y.replays.Add(1)
		}
	})
}

// checkVerify makes the whole ledger again.
func (y *year) checkVerify() {
	response, err := y.client.Post("http://"+y.Admin+"/tallygate/verify", "", nil)
	if err != nil {
		y.t.Fatal(err)
	}
	defer response.Body.Close()
	var last struct {
		Report *struct {
			Accounts, Inputs, Files int
			Differences             []json.RawMessage
		}
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	text := ""
	for lines.Scan() {
		text = lines.Text()
	}
	err = json.Unmarshal([]byte(text), &last)
	if err != nil || response.StatusCode != http.StatusOK || last.Report == nil || len(last.Report.Differences) > 0 || last.Report.Accounts != yearAccounts+idleAccounts {
		y.t.Errorf("verify: %s, %v: %s", response.Status, err, text)
		return
	}
	y.money += fmt.Sprintf("; verified %d accounts, %d inputs, %d sealed files", last.Report.Accounts, last.Report.Inputs, last.Report.Files)
}

// totals is what the year had in it.
func (y *year) totals() string {
	sums := map[string]int{}
	for _, group := range y.groups {
		for _, a := range group {
			for what, n := range a.seen {
				sums[what] += n
			}
		}
	}
	if !y.t.Failed() {
		y.checkMusts(sums)
	}
	var list []string
	for _, what := range slices.Sorted(maps.Keys(sums)) {
		list = append(list, fmt.Sprintf("%d %s", sums[what], what))
	}
	return fmt.Sprintf("%d calls, %d commands; %s; %d replays; %s\n%s", y.calls.Load(), y.commands.Load(), y.money, y.replays.Load(),
		strings.Join(y.disturbed, ", "), strings.Join(list, "\n"))
}

// musts happen in every year, whatever the seed.
var musts = []string{
	"call free", "call package", "call payg", "call subscription", "call arrears", "call released", "call rate-limited", "call subscription-expired",
	"call payment-required", "call image-capacity", "call failed-truncated", "top-up in grace done", "top-up in retention done", "adjustment done", "trial done",
	"trial refused: conflict", "subscription done", "subscription of a name that was released", "upgrade done", "downgrade done", "renewal of an instance on another row done",
	"renewal of an instance that is retained", "renewal of a package that expired done", "auto-renewal", "auto-renewal that failed",
	"acknowledgement done", "account settings done", "event arrears", "event retention", "event released", "event active", "release of an",
	"event instance-released", "event package-lapsed", "event notice-renewal-failed", "event notice-low-balance",
}

// checkMusts keeps the year from being an idle one.
func (y *year) checkMusts(sums map[string]int) {
	for _, must := range musts {
		happened := false
		for what, n := range sums {
			happened = happened || n > 0 && strings.HasPrefix(what, must)
		}
		if !happened {
			y.t.Errorf("there was no %s in this year", must)
		}
	}
}
