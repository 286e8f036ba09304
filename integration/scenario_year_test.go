package integration

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	yearToken    = "the finance role's token"
	yearAccounts = 50
	idleAccounts = 40 // before them, so that the others are in two blocks of the ledger
)

// year is a gateway, the test's model of its accounts, and a seed.
type year struct {
	*scene
	world      *yearWorld
	seed       uint64
	caddyfile  string
	groups     [][]*yearAccount // by customer: one after the other, since they share a trial
	randoms    []*rand.Rand     // of each group
	keys       map[string]map[string]string
	most       int // calls of a burst
	calls      atomic.Int64
	commands   atomic.Int64
	statements map[string]string // as they were fetched first: account, month, format
	disturbed  []string
	replays    atomic.Int64
	money      string
}

// TestYear lives a year of fifty accounts, from 1 January to 31 December, and
// holds all that the gateway says of them against a model of its own: money to
// the cent, states to the second. TALLYGATE_YEAR_SEED replays one.
func TestYear(t *testing.T) {
	t.Parallel()
	began := time.Now()
	y := newYear(t, yearSeed(t))
	plan := rand.New(rand.NewPCG(y.seed, 0))
	for month := 1; month <= 12; month++ {
		y.liveMonth(month, plan)
		if t.Failed() {
			break
		}
	}
	lived := time.Since(began)
	if !t.Failed() {
		y.reach(instantOf("2027-01-01T00:00:00"))
		y.reconcile()
	}
	t.Logf("seed %d, lived in %s, checked in %s: %s", y.seed, lived.Round(time.Millisecond), (time.Since(began) - lived).Round(time.Millisecond), y.totals())
}

func yearSeed(t *testing.T) uint64 {
	text := os.Getenv("TALLYGATE_YEAR_SEED")
	if text == "" {
		return rand.Uint64N(1_000_000)
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

func newYear(t *testing.T, seed uint64) *year {
	clock, at := testClock("2026-01-01T00:00:00+08:00")
	finance := fmt.Sprintf("\n\t\tfinance %x", sha256.Sum256([]byte(yearToken)))
	books := []*yearBook{januaryBook()}
	y := &year{scene: newScene(t, books[0].yaml(), clock, at+finance), seed: seed, most: 14, keys: map[string]map[string]string{},
		statements: map[string]string{}, caddyfile: example(t, clock, at+finance)}
	now := instantOf("2026-01-01T00:00:00")
	y.world = &yearWorld{books: books, grace: 15 * aDay, retention: 15 * aDay, floor: now + aDay, trials: map[string]bool{}}
	for i := range idleAccounts {
		y.do("POST", "/accounts", map[string]any{"account": fmt.Sprintf("idle-%d", i)}, nil)
	}
	for i := range yearAccounts {
		y.open(i, now)
	}
	return y
}

// open opens an account with keys. The first twenty share ten customers.
func (y *year) open(i int, now int64) {
	id, customer := fmt.Sprintf("y%02d", i), fmt.Sprintf("customer-%02d", i)
	if i < 20 {
		customer = fmt.Sprintf("customer-%02d", i/2)
	}
	limit, low := []int64{0, 0, 0, 500}[i%4], []int64{0, 200}[i%2]
	a := y.world.open(id, customer, now, limit, low, i%9 != 4)
	y.do("POST", "/accounts", map[string]any{"account": id, "customer": customer, "credit_limit": dollars(limit), "low_balance": dollars(low),
		"pay_per_use": a.payPerUse}, nil)
	y.keys[id] = map[string]string{"": y.key(id).Secret}
	for _, instance := range []string{id + "-a", id + "-b"} {
		var k newKey
		y.do("POST", "/accounts/"+id+"/keys", map[string]any{"kind": "secret", "instance": instance}, &k)
		y.keys[id][instance] = k.Secret
	}
	if i < 20 && i%2 == 1 {
		y.groups[len(y.groups)-1] = append(y.groups[len(y.groups)-1], a)
		return
	}
	y.groups = append(y.groups, []*yearAccount{a})
	y.randoms = append(y.randoms, rand.New(rand.NewPCG(y.seed, uint64(i)+1)))
}

// reach moves the clock of gateway and model.
func (y *year) reach(at int64) {
	y.advance(localTime(at))
	y.each(func(a *yearAccount, _ *rand.Rand) { a.pass(at) })
}

// each does something to all accounts, several groups at once.
func (y *year) each(do func(*yearAccount, *rand.Rand)) {
	next := make(chan int)
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for g := range next {
				for _, a := range y.groups[g] {
					do(a, y.randoms[g])
				}
			}
		})
	}
	for g := range y.groups {
		next <- g
	}
	close(next)
	workers.Wait()
}

// liveMonth is eight days of a month, at odd seconds, and what happens once.
func (y *year) liveMonth(month int, plan *rand.Rand) {
	start := instantOf(fmt.Sprintf("2026-%02d-01T00:00:00", month))
	length := nextMonth(start) - start
	const steps = 8
	for step := range int64(steps) {
		at := start + step*length/steps + 10 + plan.Int64N(length/steps-3700)
		if step == steps-1 && month%2 == 1 {
			at = start + length - 1 - plan.Int64N(3500) // in the last hour
		}
		at = max(at, y.groups[0][0].now+10)
		y.live(at, plan)
		if y.t.Failed() {
			return
		}
		if step == 0 {
			y.fetchStatements(month)
		}
		if step == 3 {
			y.disturb(month)
		}
	}
}

// live lets every account act: commands and calls, then calls a little later.
func (y *year) live(at int64, plan *rand.Rand) {
	y.reach(at)
	y.each(func(a *yearAccount, r *rand.Rand) {
		for _, c := range y.commandsOf(a, r) {
			y.command(a, c, r)
		}
		if r.IntN(2) == 0 {
			y.burst(a, r)
		}
	})
	y.reach(at + 1 + plan.Int64N(5))
	y.each(func(a *yearAccount, r *rand.Rand) {
		if r.IntN(3) == 0 {
			y.burst(a, r)
		}
	})
}

// disturb is what happens once a year.
func (y *year) disturb(month int) {
	switch now := y.groups[0][0].now; {
	case month == 2:
		if err := y.Stop(); err != nil {
			y.t.Fatal(err)
		}
		y.start("restart", now)
	case month == 5 && y.seed%2 == 0, month == 6 && y.seed%2 == 1: // of the next month
		y.schedule(julyBook(), nextMonth(now))
	case month == 8 || month == 11:
		y.killBeforeRelease(month == 8)
	case month == 9:
		y.policy()
	case month == 10:
		y.schedule(octoberBook(), nextHour(now)+7*3600)
	}
}

// killBeforeRelease kills the gateway, with calls that are not settled, an hour
// before something is to be released, which then waits (D23).
func (y *year) killBeforeRelease(ofAccount bool) {
	now := y.groups[0][0].now
	due := y.nextRelease(ofAccount)
	if due > now+27*aDay {
		due = y.nextRelease(false)
	}
	y.reach(max(now+1, due-3600))
	y.each(y.burst)
	y.Kill()
	y.start("kill -9", y.groups[0][0].now)
	y.reach(max(y.groups[0][0].now+1, due+60))
}

// nextRelease is when the next account, or else instance, is released if nobody
// pays.
func (y *year) nextRelease(ofAccount bool) int64 {
	first := int64(math.MaxInt64)
	for _, group := range y.groups {
		for _, a := range group {
			switch {
			case a.released != 0:
			case ofAccount && a.arrears != 0:
				first = min(first, a.arrears+a.grace+a.retention)
			case !ofAccount:
				for _, in := range a.instances {
					if in.released == 0 {
						first = min(first, in.last().end+15*aDay)
					}
				}
			}
		}
	}
	return first
}

func (y *year) start(what string, now int64) {
	y.restart()
	y.world.floor = now + aDay
	y.disturbed = append(y.disturbed, what+" "+localTime(now))
}

func (y *year) schedule(b *yearBook, from int64) {
	var answer struct{ From time.Time }
	y.do("POST", "/pricebook/schedule", map[string]any{"source": b.yaml(), "from": localTime(from)}, &answer)
	if answer.From.Unix() != from {
		y.t.Errorf("the price book takes force at %s, want %s", answer.From, localTime(from))
	}
	b.from = from
	y.world.books = append(y.world.books, b)
	y.disturbed = append(y.disturbed, "price book from "+localTime(from))
}

// policy shortens grace and retention, for later arrears (D20).
func (y *year) policy() {
	text := strings.NewReplacer("grace 15d", "grace 10d", "retention 15d", "retention 12d").Replace(y.caddyfile)
	if err := y.Reload(text); err != nil {
		y.t.Fatal(err)
	}
	y.client.CloseIdleConnections() // a reload closes them, too, in its own time
	y.reach(y.groups[0][0].now)     // what was due is judged by the policy before
	y.world.grace, y.world.retention = 10*aDay, 12*aDay
}
