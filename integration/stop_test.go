package integration

import (
	"sync"
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

// TestStopWaits stops the gateway while slow calls run: within the grace period
// all are answered and counted; after it, and after what the ledger waits then,
// the counts still lie between what clients saw and what the upstream served.
func TestStopWaits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		grace, fault string
		answered     bool
	}{
		"within grace":           {"10s", "delay=1s", true},
		"body within grace":      {"10s", "slow-body=1s", true},
		"beyond grace":           {"300ms", "delay=2s", false},
		"body beyond grace":      {"300ms", "slow-body=2s", false},
		"beyond all":             {"300ms", "delay=25s", false},
		"chunked body beyond it": {"300ms", "chunked,slow-body=25s", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, harness.Config{}, map[string]any{"grace": c.grace})
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
			if err := r.Stop(); err != nil {
				t.Error(err)
			}
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
		})
	}
}
