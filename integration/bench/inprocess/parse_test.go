package inprocess

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/integration/bench/figure"
)

const printed = `goos: linux
pkg: github.com/tallygate/tallygate/meter
BenchmarkAdmitSettle/accounts=1-2         	 5223480	       229.1 ns/op	       0 B/op	       0 allocs/op
BenchmarkAdmitSettle/accounts=1-2         	 5223480	       231 ns/op	       0 B/op	       0 allocs/op
BenchmarkWindow/N=10-2  	 100	 75.5 ns/op
BenchmarkMonth 	    2962	    867492 ns/op	      1153 months/s
BenchmarkAddRandom/synced-2   	 3636752	 135.1 ns/op	 371.0 p99-ns	 490.0 p99.9-ns
BenchmarkLogs said something of four
--- BENCH: BenchmarkLogs
PASS
ok  	github.com/tallygate/tallygate/meter	7.098s
`

func TestParse(t *testing.T) {
	r := results{}
	if err := r.add(strings.NewReader(printed)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, unit string
		want       []float64
	}{
		{"AdmitSettle/accounts=1", "ns/op", []float64{229.1, 231}},
		{"AdmitSettle/accounts=1", "allocs/op", []float64{0, 0}},
		{"Window/N=10", "ns/op", []float64{75.5}},
		{"Month", "months/s", []float64{1153}},
		{"AddRandom/synced", "p99.9-ns", []float64{490}},
	} {
		if got, err := r.of(c.name, c.unit); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s in %s: %v, %v; want %v", c.name, c.unit, got, err, c.want)
		}
	}
	if len(r) != 4 {
		t.Errorf("%d benchmarks: %v", len(r), r)
	}
	if _, err := r.of("Window/N=10", "B/op"); err == nil {
		t.Error("a unit that was not printed has values")
	}
	if err := (results{}).add(strings.NewReader("BenchmarkX 10 many ns/op\n")); err == nil {
		t.Error("a value that is no number is one")
	}
}

func TestReport(t *testing.T) {
	r := results{}
	for name, v := range map[string]float64{"goroutines=1": 200, "goroutines=2/accounts=own": 100, "goroutines=2/accounts=same": 250} {
		r["AdmitSettleParallel/"+name] = map[string][]float64{"ns/op": {v}}
	}
	r["X"] = map[string][]float64{"ns/op": {300, 200, 400}}
	report := figure.NewReport("")
	if err := r.report(report, []wanted{ns("x_ns", "X", "x").within(250)}, 3); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := report.Lines(&text); err != nil {
		t.Fatal(err)
	}
	if want := "x_ns: 300\nadmit_settle_two_vs_one_own: 2\nadmit_settle_two_vs_one_same: 0.8\n"; text.String() != want {
		t.Errorf("%s\nwant\n%s", &text, want)
	}
	if m := report.Missed(); len(m) != 1 || m[0].Low != 200 || m[0].High != 400 {
		t.Errorf("missed: %+v", m)
	}
	if err := r.report(report, []wanted{ns("y_ns", "Y", "y")}, 3); err == nil {
		t.Error("a benchmark that did not run has a figure")
	}
}

// Every figure is of a benchmark that one of the suites runs, and has a name of its
// own.
func TestFigures(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range figures("1m", "1000000") {
		if seen[w.name] {
			t.Errorf("%s is given twice", w.name)
		}
		seen[w.name] = true
		if !slices.ContainsFunc(suites, func(s suite) bool { return s.runs(w.benchmark) }) {
			t.Errorf("%s: no suite runs %s", w.name, w.benchmark)
		}
	}
}

// runs tells whether the full run's pattern chooses a benchmark, as package testing
// does: each part of its name by the part of the pattern in the same place, if any.
func (s suite) runs(benchmark string) bool {
	patterns, name := strings.Split(s.pattern, "/"), strings.Split("Benchmark"+benchmark, "/")
	for i := range min(len(patterns), len(name)) {
		if !regexp.MustCompile(patterns[i]).MatchString(name[i]) {
			return false
		}
	}
	return true
}
