package integration

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
	"github.com/tallygate/tallygate/integration/upstream"
)

// gate lets clients through while the gateway runs.
type gate struct {
	mu     sync.Mutex
	opened chan struct{} // closed while it is open
	isOpen bool
}

func newGate() *gate { return &gate{opened: make(chan struct{})} }

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.isOpen {
		g.isOpen = true
		close(g.opened)
	}
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isOpen {
		g.isOpen, g.opened = false, make(chan struct{})
	}
}

func (g *gate) way() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.opened
}

// through calls whenever the gate is open, until stop is closed. Running counts the
// calls, so that whoever shuts the gate can wait for the last of them.
func (g *gate) through(stop <-chan struct{}, running *atomic.Int64, call func()) {
	for {
		select {
		case <-stop:
			return
		case <-g.way():
		}
		running.Add(1)
		select {
		case <-g.way():
			call()
		default: // it was shut meanwhile
		}
		running.Add(-1)
	}
}

// what names a count: an account and one of its operations.
type what struct{ account, operation string }

// killTraffic is customers who call, and some who pay, while the gateway is
// killed.
type killTraffic struct {
	*rig
	gate      *gate
	customers []*customer
	payments  payments
	stop      chan struct{} // no new calls and commands
	abort     chan struct{} // the test has failed: no more tries
	once      sync.Once
	clients   sync.WaitGroup
	running   atomic.Int64 // calls
	dark      atomic.Bool  // the disk is gone: the gateway may refuse everything

	mu      sync.Mutex
	seen    map[what]int         // successes that a client saw whole
	times   map[what][]time.Time // when, since a power cut; nil without those
	unknown map[what]int         // calls that got no whole answer
	off     map[what]off         // what was found to differ so far
	billed  uint64               // by the statements, for all accounts

	row *row // that counts what differs; may be nil
}

// off is how much a count is off.
type off struct{ lost, doubled int }

func newKillTraffic(r *rig) *killTraffic {
	w := &killTraffic{rig: r, gate: newGate(), stop: make(chan struct{}), abort: make(chan struct{}),
		seen: map[what]int{}, unknown: map[what]int{}, off: map[what]off{}}
	for _, account := range []string{"mixed", "plain", "search"} {
		r.open(account, "20000.00")
	}
	r.subscribe("search", "s2500k-10")
	r.api(harness.Request{Path: "/tallygate/accounts/mixed/packages", Header: once("first package"), Body: map[string]any{"package": "tagging-300"}}, nil)
	for _, c := range []*customer{
		{account: "mixed", operation: "recognition/image-tagging"},
		{account: "mixed", operation: "recognition/image-tagging", fault: "delay=5ms"},
		{account: "mixed", operation: "recognition/media-tagging", fault: "slow-body=20ms"},
		{account: "plain", operation: "recognition/media-tagging"},
		{account: "plain", operation: "recognition/image-tagging", fault: "chunked"},
		{account: "plain", operation: "recognition/image-tagging", fault: "error-in-200", fails: true},
		{account: "search", operation: "search/search", fault: "delay=30ms"},
		{account: "mixed", operation: "recognition/image-tagging", fault: "truncate,delay=10ms", fails: true},
		{account: "plain", operation: "recognition/media-tagging", fault: "status=503,delay=10ms", fails: true},
	} {
		c.site, c.http = r.URL(), connections()
		w.customers = append(w.customers, c)
		w.clients.Go(func() { w.run(c) })
	}
	w.pay()
	return w
}

// run calls whenever the gateway runs.
func (w *killTraffic) run(c *customer) {
	defer c.http.CloseIdleConnections()
	for {
		select {
		case <-w.stop:
			return
		case <-w.gate.way():
		}
		w.running.Add(1)
		select {
		case <-w.gate.way():
			a := c.call()
			w.note(c, a)
			if a.err != nil { // killed: the gate is about to be shut
				time.Sleep(5 * time.Millisecond)
			}
		default: // it was shut meanwhile
		}
		w.running.Add(-1)
	}
}

func (w *killTraffic) note(c *customer, a sight) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := what{c.account, c.operation}
	switch {
	case c.fails, a.status == http.StatusTooManyRequests, errors.Is(a.err, syscall.ECONNREFUSED):
	case a.ok():
		w.seen[id]++
		if w.times != nil {
			w.times[id] = append(w.times[id], a.at)
		}
	case a.err != nil:
		w.unknown[id]++
	case w.dark.Load():
	default:
		w.t.Errorf("%s %s: status %d: %s", c.account, c.operation, a.status, a.body)
	}
}

// end waits for the clients; commands that were sent are acknowledged first,
// unless the test has failed.
func (w *killTraffic) end() {
	w.once.Do(func() {
		close(w.stop)
		if w.t.Failed() {
			close(w.abort)
		}
		w.clients.Wait()
	})
}

// servedOf is how many calls of each count succeeded, as the upstream tells it.
func (r *rig) servedOf() map[what]int {
	r.t.Helper()
	served := map[what]int{}
	for e, err := range upstream.Truth(r.truth) {
		if err != nil {
			r.t.Fatal(err)
		}
		if account, _, ok := cutID(e.RequestID); ok && e.Success {
			served[what{account, e.Operation}]++
		}
	}
	return served
}

// check compares three views of every count; no call is in flight. What clients
// saw ≤ what is counted ≤ what the upstream served (D2), and the surplus is in
// calls that were in flight at a kill. What differs is reported once.
func (w *killTraffic) check(when string) {
	w.t.Helper()
	served := w.servedOf()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, account := range []string{"mixed", "plain", "search"} {
		counts := w.usage(account).counted()
		for operation := range rigPaths {
			id := what{account, operation}
			seen, counted, before := w.seen[id], int(counts[operation]), w.off[id]
			now := off{lost: seen - counted, doubled: counted - min(served[id], seen+w.unknown[id])}
			tell := func(report func(testing.TB, int, string, ...any), n int) {
				w.t.Helper()
				report(w.t, n, "%s: %s %s: clients saw %d successes, %d are counted, the upstream served %d; %d calls got no answer",
					when, account, operation, seen, counted, served[id], w.unknown[id])
			}
			if now.lost > before.lost {
				tell(w.row.lose, now.lost-before.lost)
			}
			if now.doubled > before.doubled {
				tell(w.row.double, now.doubled-before.doubled)
			}
			w.off[id] = off{max(now.lost, before.lost), max(now.doubled, before.doubled)}
		}
	}
}

func (w *killTraffic) lost() (n int) {
	for _, unknown := range w.unknown {
		n += unknown
	}
	return n
}

func (w *killTraffic) successes() (n int) {
	for _, seen := range w.seen {
		n += seen
	}
	return n
}
