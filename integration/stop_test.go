package integration

import (
	"cmp"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

const stopped = "recognition/media-tagging"

// TestStopDrains stops and starts the gateway under traffic: whatever reached
// the upstream is answered and counted, exactly.
func TestStopDrains(t *testing.T) {
	t.Parallel()
	r := newRig(t, harness.Config{}, map[string]any{"flush": "1s"})
	r.start()
	r.open("acme", "100.00")
	gate, stop := newGate(), make(chan struct{})
	var seen sightings
	var clients sync.WaitGroup
	for _, fault := range []string{"", "delay=20ms", "slow-body=50ms", "chunked"} {
		c := &customer{site: r.URL(), account: "acme", operation: stopped, fault: fault, http: connections()}
		clients.Go(func() {
			defer c.http.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				case <-gate.way():
				}
				a := c.call()
				seen.note(a)
				if a.err != nil {
					time.Sleep(5 * time.Millisecond) // the gate is about to be shut
				}
			}
		})
	}
	for range 4 {
		before := seen.len()
		gate.open()
		eventually(t, "calls between two stops", time.Minute, func() bool { return seen.len() >= before+200 })
		if err := r.Stop(); err != nil {
			t.Fatal(err)
		}
		gate.shut()
		r.start()
	}
	close(stop)
	clients.Wait()

	arrived, ok := r.arrived(), 0
	for _, a := range seen.answers {
		switch {
		case a.ok():
			ok++
		case a.err == nil:
			t.Fatalf("call %s: status %d: %s", a.id, a.status, a.body)
		case arrived[a.id] > 0:
			t.Errorf("call %s reached the upstream and was not answered: %v", a.id, a.err)
		}
	}
	if counted, served := int(r.usage("acme").counted()[stopped]), r.served("acme", stopped); counted != ok || served != ok {
		t.Errorf("%d calls succeeded, %d are counted, the upstream served %d", ok, counted, served)
	}
}

func (j *sightings) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.answers)
}

// stopping is a stop of the gateway while slow calls run.
type stopping struct {
	grace, fault string
	flush        string           // default an hour
	settling     bool             // stop it while a settlement waits for the calls
	first        []syscall.Signal // sent before the SIGTERM that is waited for
	answered     bool             // all calls are
	forced       bool             // the process ends with an error
}

// TestStopWaits stops the gateway while slow calls run: within the grace period
// all are answered and counted; after it, and after what the ledger waits then,
// the counts still lie between what clients saw and what the upstream served.
// Impatient operators and settlements do not change that.
func TestStopWaits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]stopping{
		"within grace":           {grace: "10s", fault: "delay=1s", answered: true},
		"body within grace":      {grace: "10s", fault: "slow-body=1s", answered: true},
		"beyond grace":           {grace: "300ms", fault: "delay=2s"},
		"body beyond grace":      {grace: "300ms", fault: "slow-body=2s"},
		"beyond all":             {grace: "300ms", fault: "delay=25s"},
		"chunked body beyond it": {grace: "300ms", fault: "chunked,slow-body=25s"},
		"told again":             {grace: "10s", fault: "delay=1s", first: []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, answered: true},
		"told by the terminal":   {grace: "10s", fault: "delay=1s", first: []syscall.Signal{syscall.SIGINT}, answered: true},
		"forced by the terminal": {grace: "10s", fault: "delay=2s", first: []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, forced: true},
		"in a settlement":        {grace: "10s", fault: "delay=4s", flush: "1s", settling: true, answered: true},
		"in one beyond grace":    {grace: "300ms", fault: "delay=4s", flush: "1s", settling: true},
		"in one, body beyond":    {grace: "300ms", fault: "slow-body=4s", flush: "1s", settling: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.test(t)
		})
	}
}

func (c stopping) test(t *testing.T) {
	r := newRig(t, harness.Config{}, map[string]any{"grace": c.grace, "flush": cmp.Or(c.flush, "1h")})
	r.start()
	r.open("acme", "100.00")
	const calls = 5
	var seen sightings
	var clients sync.WaitGroup
	for range calls {
		clients.Go(func() {
			slow := &customer{site: r.URL(), account: "acme", operation: stopped, fault: c.fault, http: connections()}
			seen.note(slow.call())
		})
	}
	eventually(t, "all calls are at the upstream", 20*time.Second, func() bool { return r.inFlight() == calls })
	if c.settling {
		eventually(t, "a settlement waits for the calls", 20*time.Second, r.settlementWaits)
	}
	c.stop(t, r)
	clients.Wait()
	r.start()

	ok := 0
	for _, a := range seen.answers {
		if a.ok() {
			ok++
		} else if c.answered {
			t.Errorf("call %s: status %d %s (%v)", a.id, a.status, a.body, a.err)
		}
	}
	counted, served := int(r.usage("acme").counted()[stopped]), r.served("acme", stopped)
	if ok > counted || counted > served || c.answered && counted != calls {
		t.Errorf("clients saw %d successes of %d, %d are counted, the upstream served %d", ok, calls, counted, served)
	}
	t.Logf("clients saw %d successes of %d, %d are counted, the upstream served %d", ok, calls, counted, served)
}

// stop sends the signals, some time apart, and awaits the end.
func (c stopping) stop(t *testing.T, r *rig) {
	for _, signal := range c.first {
		if err := syscall.Kill(r.PID(), signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := r.Stop(); (err != nil) != c.forced {
		t.Errorf("stop: %v", err)
	}
}

// settlementWaits reports whether a period that has ended is not settled yet.
func (r *rig) settlementWaits() bool {
	r.t.Helper()
	var status struct {
		Now          time.Time
		SettledUntil time.Time `json:"settled_until"`
	}
	r.api(harness.Request{Path: "/tallygate/status"}, &status)
	return status.Now.Sub(status.SettledUntil) > 2*time.Second
}
