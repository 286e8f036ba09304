package scale

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/figure"
	"github.com/tallygate/tallygate/integration/bench/origin"
	"github.com/tallygate/tallygate/integration/bench/world"
	"github.com/tallygate/tallygate/integration/harness"
)

func TestMain(m *testing.M) {
	origin.Main()
	world.Main()
	harness.Main(m)
}

// TestPlan measures very little of everything: what was counted is reconciled, and
// all figures are there; what they say is not judged.
func TestPlan(t *testing.T) {
	little := plan{sizes: []int{200, 700}, rounds: 1, before: 300 * time.Millisecond, monthAccounts: 700, monthHours: 12}
	report := figure.NewReport("")
	env := bench.Env{Binary: harness.Binary(t), Dir: t.TempDir(), Seed: 1, Report: report, Log: t.Logf}
	if err := little.run(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	if err := report.Lines(&lines); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"rss_mib_", "start_s_", "close_s_", "p99_ratio_during_close", "money_command_p99_ms_during_close",
		"disk_bytes_per_line", "month_query_ms", "start_s_growth_exponent", "close_ratio_with_history"} {
		if !strings.Contains("\n"+lines.String(), "\n"+name) {
			t.Errorf("no figure %s in\n%s", name, &lines)
		}
	}
}

func TestExponent(t *testing.T) {
	var grown []measured
	for _, n := range []int{10, 100, 1000} {
		grown = append(grown, measured{n, []round{{rss: 3 * math.Pow(float64(n), 0.75)}}})
	}
	if k := exponent(grown, func(r round) float64 { return r.rss }); math.Abs(k-0.75) > 1e-9 {
		t.Errorf("exponent %g, want 0.75", k)
	}
}
