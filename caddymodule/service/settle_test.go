package service

import (
	"errors"
	"testing"
	"time"

	"github.com/tallygate/tallygate/meter"
)

// TestSettlesAlthoughSomethingFailed before, as the next period's counters do on a full
// disk: what is settled makes room.
func TestSettlesAlthoughSomethingFailed(t *testing.T) {
	s := open(t, testConfig(t, t.TempDir()))
	k := customer(t, s, "acme", "10.00")
	number, _ := s.OperationNumber("recognition/image-tagging")
	held, v := s.meter.Admit(meter.Call{Key: k, Operation: number})
	if v.Reason != 0 {
		t.Fatal(v.Reason)
	}
	s.meter.Post(&held)
	if err := s.clock.(*testClock).Set(s.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.meter.Roll(s.clock.Now().Event); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("failed")
	if err := s.settle(s.Now().Unix(), failed); !errors.Is(err, failed) || len(s.meter.Ended()) > 0 {
		t.Errorf("error %v, and %d periods are not settled", err, len(s.meter.Ended()))
	}
}

// TestSettlementsArePaced for the calls that are served beside them.
func TestSettlementsArePaced(t *testing.T) {
	if !open(t, testConfig(t, t.TempDir())).engine.Paced {
		t.Error("they are not")
	}
}
