package billing

import (
	"sync"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// TestReplayWhilePeriodsAreSettled: a period that is settled between the two does
// not make replay and statement differ.
func TestReplayWhilePeriodsAreSettled(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{CreditLimit: "100.00"})
	var settling sync.WaitGroup
	done := make(chan struct{})
	settling.Go(func() {
		defer close(done)
		for n := range int64(300) {
			if err := r.Settle(november.Unix()+n*10, 10, []account.Count{payPerUse(1, 10)}); err != nil {
				t.Error(err)
			}
		}
	})
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		p, err := r.Replay(t.Context(), "a", 202611, "recognition/image-tagging")
		if err != nil || !p.Same {
			t.Errorf("replayed %s, the statement says %s, %v", p.Debited, p.Statement, err)
			break
		}
	}
	settling.Wait()
}
