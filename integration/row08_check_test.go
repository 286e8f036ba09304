package integration

import (
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/integration/harness"
	"github.com/tallygate/tallygate/integration/upstream"
	sealed "github.com/tallygate/tallygate/ledger/usage"
)

var clockAccounts = []string{"mixed", "plain", "term", "debt"}

// finish lets a real jump be accepted, which passes all that was open, and a day
// after it; then everything is settled and must add up.
func (c *clockRound) finish() {
	c.t.Helper()
	c.traffic.end()
	by := c.far + 400*aDayLong
	c.shift(by)
	eventually(c.t, "the last jump is doubted", time.Minute, func() bool { return c.clock().Suspended })
	c.releasesNobody()
	c.accept(by)
	c.aDayPasses(by)
	c.settle()
	billed := c.checkCounts()
	if out, err := c.Command("verify", "--address", c.Admin); err != nil {
		c.row.wrong++
		c.t.Errorf("verify: %v\n%s", err, out)
	}
	if err := c.Stop(); err != nil {
		c.t.Error(err)
	}
	c.checkSealed(&killTraffic{rig: c.rig, billed: billed})
	c.checkJumps()
}

// aDayPasses by steps of the wall clock that are small enough to be followed: the
// debtor is released at the end of the day, and not before (D23).
func (c *clockRound) aDayPasses(by time.Duration) {
	c.t.Helper()
	follow := func(to time.Duration) {
		c.shift(by + to)
		// What is followed has nothing to accept; to ask for it follows it at once.
		err := c.API(harness.Request{Path: "/tallygate/clock/accept", Body: map[string]any{"wall": time.Now().Add(by + to)}}, nil)
		var refused *harness.Refused
		if !errors.As(err, &refused) || refused.Status != http.StatusConflict || !strings.Contains(refused.Body, "clock-not-suspended") {
			c.t.Fatalf("a small step of the clock: %v", err)
		}
	}
	const step = 4 * time.Minute
	for to := step; to <= aDayLong-2*step; to += step {
		follow(to)
	}
	floor := c.clock().ReleasesFrom
	time.Sleep(1100 * time.Millisecond) // somebody looks
	if now := c.clock().Now; !now.Before(floor) {
		c.t.Skipf("this machine is too slow: it is %s, releases from %s", now, floor) // the steps took eight minutes
	}
	c.releasesNobody()
	for to := aDayLong - step; to <= aDayLong+step; to += step {
		follow(to)
	}
	var list struct {
		Releases []struct{ Released time.Time }
	}
	eventually(c.t, "the debtor is released after a day", time.Minute, func() bool {
		c.api(harness.Request{Path: "/tallygate/releases"}, &list)
		return len(list.Releases) > 0
	})
	for _, r := range list.Releases {
		if r.Released.Before(floor) {
			c.row.wrong++
			c.t.Errorf("released at %s, and not before %s by the rule", r.Released, floor)
		}
	}
}

// checkCounts holds the statements of all months against what clients and upstream
// saw, and gives how many calls they bill.
func (c *clockRound) checkCounts() (billed uint64) {
	c.t.Helper()
	served := map[what]int{}
	for e, err := range upstream.Truth(c.truth) {
		if err != nil {
			c.t.Fatal(err)
		}
		if account, _, ok := cutID(e.RequestID); ok && e.Success {
			served[what{account, e.Operation}]++
		}
	}
	for _, account := range clockAccounts {
		counted := map[string]int{}
		throttled := int64(0)
		for _, st := range c.allStatements(account) {
			st.check(c.t, rigPrices)
			for operation, n := range st.counted() {
				counted[operation], billed = counted[operation]+int(n), billed+uint64(n)
			}
			throttled += st.notCounted()["recognition/celebrity-recognition rate-limited"]
		}
		if throttled > 0 {
			c.row.wrong++
			c.t.Errorf("%s: %d calls of a paced client were refused", account, throttled)
		}
		for operation := range rigPaths {
			id := what{account, operation}
			seen, n, unknown := c.traffic.seen[id], counted[operation], c.traffic.unknown[id]
			c.row.lost += max(0, seen-n)
			c.row.doubled += max(0, n-served[id], n-seen-unknown)
			if seen > n || n > served[id] || n-seen > unknown {
				c.t.Errorf("%s %s: clients saw %d successes, %d are billed, the upstream served %d; %d calls got no answer",
					account, operation, seen, n, served[id], unknown)
			}
		}
	}
	return billed
}

// allStatements are the closed ones and that of the present month: each opens with
// what the one before closed with.
func (c *clockRound) allStatements(account string) (all []statement) {
	c.t.Helper()
	var list struct {
		Statements []struct{ Month, Opening, Closing string }
	}
	c.api(harness.Request{Path: "/tallygate/accounts/" + account + "/statements"}, &list)
	months := []string{}
	for _, s := range list.Statements {
		months = append(months, s.Month)
	}
	balance := "0.00"
	for _, month := range append(months, c.usage(account).Month) {
		st := c.statement(account, month)
		if st.Opening != balance {
			c.row.wrong++
			c.t.Errorf("%s: %s opens with %s, the one before closed with %s", account, month, st.Opening, balance)
		}
		balance = st.Closing
		all = append(all, st)
	}
	return all
}

// checkJumps reads the journal of the stopped gateway: it has each accepted jump
// once, and the sealed files name every counter's period once.
func (c *clockRound) checkJumps() {
	c.t.Helper()
	jumps := 0
	for record := range c.inputs() {
		if record.Kind != "clock" {
			continue
		}
		var in struct{ From, To int64 }
		if err := json.Unmarshal(record.Payload, &in); err != nil {
			c.t.Fatal(err)
		}
		if jumps++; record.At != in.To || in.From == in.To {
			c.t.Errorf("journal record %d of %d: %+v", record.Seq, record.At, in)
		}
	}
	if jumps != c.accepted {
		c.row.wrong++
		c.t.Errorf("the journal has %d jumps, %d were accepted", jumps, c.accepted)
	}
	paths, err := filepath.Glob(filepath.Join(c.Dir, "ledger", "usage", "*.usage"))
	if err != nil || len(paths) == 0 {
		c.t.Errorf("no sealed files: %v", err)
	}
	type hour struct {
		start int64
		line  account.Line
	}
	lines := map[hour]bool{}
	for _, path := range paths {
		f, err := sealed.Open(path)
		if err != nil {
			c.t.Fatal(err)
		}
		for n := range f.All() {
			if id := (hour{f.Info().Header.Start, n.Line}); lines[id] {
				c.row.doubled++
				c.t.Errorf("%s has %+v twice", path, n.Line)
			} else {
				lines[id] = true
			}
		}
	}
}
