package datapath

import (
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/load"
	"github.com/tallygate/tallygate/integration/bench/paired"
)

// answers takes 10 ms for each request.
type answers struct{}

func (answers) Close() error { return nil }
func (answers) Do() error    { time.Sleep(10 * time.Millisecond); return nil }

// TestRate: it is a part of what bare answers, whatever others do.
func TestRate(t *testing.T) {
	sites := []*paired.Site{{Name: "metered"}, {Name: "bare", Crowd: load.Crowd{answers{}, answers{}}}}
	rate := func(due float64) float64 {
		r, err := workload{due: due}.rate(t.Context(), bench.Env{Log: t.Logf}, sites, 100*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := rate(0.5); r > 100 || r < 10 {
		t.Errorf("half of at most 200 requests a second is %g", r)
	}
	if r := rate(0); r != 0 {
		t.Errorf("%g are due where clients send at once", r)
	}
}
