package money

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/figure"
)

// A small run gives every figure that needs no binary.
func TestMeasure(t *testing.T) {
	report := figure.NewReport("")
	env := bench.Env{Dir: t.TempDir(), Seed: 1, Report: report, Log: t.Logf}
	if err := measure(t.Context(), env, size{accounts: 100, rounds: 2, slice: 10 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	if err := report.Lines(&lines); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"money_commands_per_s_1", "money_commands_per_s_8", "money_commands_per_s_64", "money_command_p99_ms_64",
		"badger_commits_per_s_1", "badger_commit_p99_ms_1", "badger_commits_per_s_64", "badger_commit_p99_ms_64",
		"money_commands_vs_badger_64", "money_commands_64_vs_badger_1"} {
		if !strings.Contains(lines.String(), name+": ") || strings.Contains(lines.String(), name+": 0\n") {
			t.Errorf("no %s in\n%s", name, &lines)
		}
	}
}

// Each ratio is to the contender in its name, and one of them has a budget.
func TestReport(t *testing.T) {
	at := func(name string, rate float64) *contender { return &contender{name: name, rates: []float64{rate}} }
	found := figure.NewReport("")
	report(found, []*contender{at("1", 10), at("64", 600)}, []*contender{at("1", 5), at("64", 200)}, nil, size{}, 1)
	var lines strings.Builder
	if err := found.Lines(&lines); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"badger_commits_per_s_1: 5", "badger_commits_per_s_64: 200", "money_commands_vs_badger_64: 3", "money_commands_64_vs_badger_1: 120"} {
		if !strings.Contains(lines.String(), line+"\n") {
			t.Errorf("no %s in\n%s", line, &lines)
		}
	}
	if m := found.Missed(); len(m) != 1 || m[0].Name != "money_commands_vs_badger_64" {
		t.Errorf("missed: %+v", m)
	}
}

// The first client that fails ends the slice, and its error is told.
func TestSliceFails(t *testing.T) {
	broken := errors.New("broken")
	c := &contender{clients: 8, do: func(random *rand.Rand) error {
		if random.IntN(100) == 0 {
			return broken
		}
		return nil
	}}
	if err := c.slice(context.Background(), time.Hour, rand.New(rand.NewPCG(1, 2))); !errors.Is(err, broken) {
		t.Errorf("%v, want that it is broken", err)
	}
}

func TestRatios(t *testing.T) {
	a, b := &contender{rates: []float64{10, 30, 9}}, &contender{rates: []float64{5, 10}}
	if got := ratios(a, b); !slices.Equal(got, []float64{2, 3}) {
		t.Errorf("%v", got)
	}
}
