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
		"badger_commits_per_s_64", "money_commands_vs_badger_64"} {
		if !strings.Contains(lines.String(), name+": ") || strings.Contains(lines.String(), name+": 0\n") {
			t.Errorf("no %s in\n%s", name, &lines)
		}
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
