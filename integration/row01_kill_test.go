package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// killsOfALedger is how many kills one ledger lives through.
const killsOfALedger = 40

// TestRow01Kill kills the gateway at random instants, some of them within its
// recovery, and at every named place in its code, while customers call, pay, add
// and delete. After every start, and in the end, what clients saw ≤ what is
// counted ≤ what the upstream served (D2), money is there once (D33), bills are
// counts × prices (D12), and no image is missing (D28).
func TestRow01Kill(t *testing.T) {
	t.Parallel()
	r := newRow(t, 1, "kill -9", 5, 500)
	for done := 0; done < r.rounds && !t.Failed(); done += killsOfALedger {
		t.Run(fmt.Sprintf("from %d", done+1), func(t *testing.T) {
			k := newKillScene(t, r, harness.Config{})
			for round := done; round < min(done+killsOfALedger, r.rounds); round++ {
				k.round(round)
			}
			k.finish()
		})
	}
	if !t.Failed() {
		r.killAtEveryPlace()
	}
	r.end()
}

// round kills once, or a few times.
func (k *killScene) round(n int) {
	k.t.Helper()
	chance := k.row.chance
	k.load(chance, 50, 1000)
	if n%5 == 4 { // while another settlement period begins
		flush := fmt.Sprintf("%ds", []int{1, 2, 5, 1}[n/5%4])
		if err := k.with(map[string]any{"flush": flush}); err != nil {
			k.t.Fatal(err)
		}
	}
	if n%4 == 3 { // where all calls have been answered, a kill leaves no doubt
		k.shut()
	}
	k.kill()
	for range []int{0, 0, 1, 2}[n%4] {
		k.images.interrupts++
		if err := k.Interrupt(time.Duration(chance.IntN(250)) * time.Millisecond); err != nil {
			k.t.Fatal(err)
		}
	}
	k.start()
	k.check(fmt.Sprintf("after kill %d", n+1))
}
