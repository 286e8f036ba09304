package datapath

import (
	"fmt"
	"strings"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/figure"
	"github.com/tallygate/tallygate/integration/bench/origin"
	"github.com/tallygate/tallygate/integration/bench/paired"
)

// report adds the figures of a workload.
func (w workload) report(env bench.Env, s paired.Slices) {
	what := fmt.Sprintf("; %d clients, %s, %d B answered by %d B of JSON with a body rule, %d sets of processes; ",
		w.clients, w.how, len(body), origin.Size(w.path), w.casts)
	for _, r := range []struct {
		name   string
		ratio  func(name string, a, b []paired.Slice, seed uint64) figure.Figure
		a, b   string
		budget figure.Budget
		method string
	}{
		{"cpu_ratio_metered_vs_bare", paired.CPURatio, "metered", "bare", figure.AtMost(1.05), sameSettings},
		{"cpu_ratio_shipped_vs_default_caddy", paired.CPURatio, "shipped", "default_caddy", figure.AtMost(0.95), "as Caddyfile.example is, against reverse_proxy alone as Caddy comes: GOGC=100, no log settings"},
		{"cpu_ratio_shipped_vs_tuned_caddy", paired.CPURatio, "shipped", "tuned_caddy", none, "as Caddyfile.example is, against reverse_proxy alone with the same log and GC settings"},
		{"cpu_ratio_bare_vs_bare", paired.CPURatio, "bare_again", "bare", none, noise},
		{"throughput_ratio_metered_vs_bare", paired.ThroughputRatio, "metered", "bare", figure.AtLeast(0.95), sameSettings},
		{"throughput_ratio_bare_vs_bare", paired.ThroughputRatio, "bare_again", "bare", none, noise},
		{"p99_ratio_metered_vs_bare", paired.P99Ratio, "metered", "bare", figure.AtMost(1.05), sameSettings},
		{"p99_ratio_bare_vs_bare", paired.P99Ratio, "bare_again", "bare", none, noise},
		{"p99_slice_ratio_metered_vs_bare", paired.P99SliceRatio, "metered", "bare", none, sameSettings},
		{"p99_slice_ratio_bare_vs_bare", paired.P99SliceRatio, "bare_again", "bare", none, noise},
	} {
		if w.due > 0 && strings.HasPrefix(r.name, "throughput_") {
			continue // as much is answered as is due
		}
		f := r.ratio(r.name+w.suffix, s[r.a], s[r.b], env.Seed)
		if w.suffix == "" {
			f.Budget = r.budget
		}
		f.Method += what + r.method
		env.Report.Add(f)
	}
	for _, k := range kinds {
		if k.name == "bare_again" {
			continue
		}
		f := paired.CPUPerRequest("cpu_us_per_request_"+k.name+w.suffix, s[k.name], env.Seed)
		f.Method += what + k.String()
		env.Report.Add(f)
	}
}

const noise = "two processes of the same: the noise"

// sameSettings says what metered and bare have in common.
var sameSettings = "the operation has a quota that is never reached; both with " + even.String()

var none figure.Budget
