package integration

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// servesWithin is how soon after a start the gateway serves, in the long form.
// In the short one other tests take the processor, and it is only told.
const servesWithin = 2 * time.Second

// TestRow02KillInRecovery kills every start after a kill, some of them several
// times, before the gateway may serve; and it measures how soon it does after a
// kill in a busy hour.
func TestRow02KillInRecovery(t *testing.T) {
	t.Parallel()
	r := newRow(t, 2, "kill -9 in recovery", 3, 100)
	var slowest time.Duration
	for done := 0; done < r.rounds && !t.Failed(); done += killsOfALedger {
		t.Run(fmt.Sprintf("from %d", done+1), func(t *testing.T) {
			k := newKillScene(t, r, harness.Config{})
			for round := done; round < min(done+killsOfALedger, r.rounds); round++ {
				slowest = max(slowest, k.killStarts(round))
			}
			k.finish()
		})
	}
	if !t.Failed() {
		t.Run("busy hour", func(t *testing.T) { slowest = max(slowest, r.busyHour(t)) })
	}
	if r.long && slowest > servesWithin {
		r.fault(t, "the slowest start took %s, want %s at most", slowest, servesWithin)
	}
	r.end()
}

// killStarts kills the gateway, then one to three starts of it at random
// instants, and returns how long the start took that nobody killed.
func (k *killScene) killStarts(round int) time.Duration {
	k.t.Helper()
	k.load(k.row.chance, 100, 700)
	k.kill()
	for range 1 + k.row.chance.IntN(3) {
		k.images.interrupts++
		if err := k.Interrupt(time.Duration(k.row.chance.IntN(300)) * time.Millisecond); err != nil {
			k.t.Fatal(err)
		}
	}
	took := k.timedStart()
	k.check(fmt.Sprintf("after the killed starts of round %d", round+1))
	return took
}

// timedStart is how long a start takes until the gateway serves.
func (r *rig) timedStart() time.Duration {
	r.t.Helper()
	began := time.Now()
	r.start()
	return time.Since(began)
}

// busyHour is many accounts that have all called in the open hour, and a journal
// whose tail is not in the ledger: the gateway is killed as it takes commands.
// It returns how long the slowest start took, up to an answered call.
func (row *row) busyHour(t *testing.T) (slowest time.Duration) {
	accounts, kills := 400, 2
	if row.long {
		accounts, kills = min(10_000, 500*row.rounds), 5
	}
	r := newRig(t, harness.Config{Caddyfile: imagesToo}, nil) // for its quiet log
	r.start()
	crowd := newCrowd(r, accounts)
	crowd.each(crowd.join)
	crowd.each(crowd.calls)
	for range kills {
		crowd.payUntil(r.Kill)
		began := time.Now()
		r.start()
		if a := crowd.call(row.chance.IntN(accounts)); !a.ok() {
			row.fault(t, "a call after the start: %d %s (%v)", a.status, a.body, a.err)
		}
		slowest = max(slowest, time.Since(began))
		t.Logf("served after %s", time.Since(began))
	}
	crowd.again()
	r.settle()
	crowd.check(row)
	row.note("served %d ms after a kill in a busy hour of %d accounts", slowest.Milliseconds(), accounts)
	return slowest
}

// crowd is many accounts. Each pays a cent, again and again, and calls.
type crowd struct {
	r        *rig
	accounts int
	client   *http.Client
	seen     []atomic.Int64      // successes, by account
	paid     [][]harness.Request // cents of each account, answered or not
	stopped  atomic.Bool
}

func newCrowd(r *rig, accounts int) *crowd {
	c := &crowd{r: r, accounts: accounts, client: connections(), seen: make([]atomic.Int64, accounts), paid: make([][]harness.Request, accounts)}
	r.t.(*testing.T).Cleanup(c.client.CloseIdleConnections)
	return c
}

func (c *crowd) name(n int) string { return fmt.Sprintf("account-%d", n) }

// each does something for all accounts, a few at a time.
func (c *crowd) each(do func(n int)) {
	const workers = 16
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for n := w; n < c.accounts && !c.stopped.Load(); n += workers {
				do(n)
			}
		})
	}
	group.Wait()
}

// api is a command that must be accepted.
func (c *crowd) api(request harness.Request, out any) {
	if err := c.r.API(request, out); err != nil {
		c.r.t.Errorf("%s: %v", request.Path, err)
	}
}

// join opens an account with a dollar.
func (c *crowd) join(n int) {
	name := c.name(n)
	c.api(harness.Request{Path: "/tallygate/accounts", Body: map[string]any{"account": name}}, nil)
	c.api(harness.Request{Path: "/tallygate/accounts/" + name + "/keys", Body: map[string]any{"kind": "secret", "value": "key of " + name}}, nil)
	c.api(harness.Request{Path: "/tallygate/accounts/" + name + "/topups", Header: once("opening " + name),
		Body: map[string]any{"amount": "1.00", "reference": "opening"}}, nil)
}

func (c *crowd) call(n int) sight {
	a := (&customer{site: c.r.URL(), account: c.name(n), operation: "recognition/media-tagging", http: c.client}).call()
	if a.ok() {
		c.seen[n].Add(1)
	}
	return a
}

// calls makes an account active.
func (c *crowd) calls(n int) {
	for range 1 + n%3 {
		if a := c.call(n); !a.ok() {
			c.r.t.Errorf("%s: %d %s (%v)", c.name(n), a.status, a.body, a.err)
		}
	}
}

// payUntil lets all pay, in the middle of which end is called.
func (c *crowd) payUntil(end func()) {
	c.client.CloseIdleConnections()
	sent := atomic.Int64{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.each(func(n int) {
			request := harness.Request{Path: "/tallygate/accounts/" + c.name(n) + "/topups",
				Header: once(fmt.Sprintf("cent %d of %d", len(c.paid[n]), n)), Body: map[string]any{"amount": "0.01", "reference": "cent"}}
			c.paid[n] = append(c.paid[n], request)
			sent.Add(1)
			if c.r.API(request, nil) != nil {
				c.stopped.Store(true) // killed
			}
		})
	}()
	eventually(c.r.t, "commands are on their way", time.Minute, func() bool { return sent.Load() > int64(c.accounts/3) })
	end()
	<-done
	c.stopped.Store(false)
}

// again sends all payments again: those that were not answered may have come.
func (c *crowd) again() {
	c.each(func(n int) {
		for _, request := range c.paid[n] {
			c.api(request, nil)
		}
	})
}

// check finds every call and every payment of all accounts once.
func (c *crowd) check(row *row) {
	all := make([]usage, c.accounts)
	c.each(func(n int) {
		c.api(harness.Request{Path: "/tallygate/accounts/" + c.name(n) + "/usage"}, &all[n])
	})
	for n, u := range all {
		calls, seen := int(u.counted()["recognition/media-tagging"]), int(c.seen[n].Load())
		switch {
		case calls < seen:
			row.lose(c.r.t, seen-calls, "%s: %d calls were answered and %d are counted", c.name(n), seen, calls)
		case calls > seen:
			row.double(c.r.t, calls-seen, "%s: %d calls were answered and %d are counted", c.name(n), seen, calls)
		}
		balance := 100 + int64(len(c.paid[n])) - rigPrices.charge("recognition/media-tagging", int64(seen))
		if cents(c.r.t, u.Balance) != balance {
			row.fault(c.r.t, "%s: the balance is %s, not %d cents", c.name(n), u.Balance, balance)
		}
	}
}
