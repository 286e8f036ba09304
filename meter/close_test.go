package meter

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter/tally"
)

// lateCall is a call in flight whose period is sealed and dropped.
func lateCall(t *testing.T) (m *Meter, k Key, late Hold) {
	t.Helper()
	clock := NewTestClock(testStart)
	m = newMeter(t, t.TempDir(), clock)
	k = keyFor(t, m, View{Number: 1, PayPerUse: true}, "")
	late, _ = m.Admit(Call{Key: k, Operation: opTagging})
	if err := clock.Set(testStart.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Roll(m.Now().Event); err != nil {
		t.Fatal(err)
	}
	sealAll(t, m)
	return m, k, late
}

// TestCloseWaitsForCallsThatOutlivedTheirPeriod: they are counted in the open
// one (D6), which must not be closed before.
func TestCloseWaitsForCallsThatOutlivedTheirPeriod(t *testing.T) {
	m, k, late := lateCall(t)
	closed := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		closed <- m.Close(ctx)
	}()
	for {
		h, v := m.Admit(Call{Key: k, Operation: opTagging})
		if v.Reason == account.MeteringUnavailable {
			break // it has begun to close
		}
		m.Release(&h, account.FailedStatus)
	}
	m.Post(&late)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(m.config.Dir, "*.tally"))
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	f, _, err := tally.Open(tally.Config{}, paths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, c := range f.Each() {
		if c.Line == late.Line() && c.Calls == 1 {
			return
		}
	}
	t.Errorf("the late call is not among the open period's counters; %d calls could not be counted", m.Unmetered())
}

// TestLateCallAfterClose is counted as long as the process lives.
func TestLateCallAfterClose(t *testing.T) {
	m, k, late := lateCall(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := m.Close(ctx); err != nil {
		t.Fatal(err)
	}
	m.Post(&late)
	if n := m.Open(1, 0)[late.Line()]; n != 1 || m.Unmetered() != 0 {
		t.Errorf("the late call is counted %d times, %d calls not at all", n, m.Unmetered())
	}
	if _, v := m.Admit(Call{Key: k, Operation: opTagging}); v.Reason != account.MeteringUnavailable {
		t.Errorf("a call is admitted after the close: %s", v.Reason)
	}
}
