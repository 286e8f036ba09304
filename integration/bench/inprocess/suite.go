package inprocess

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/figure"
	"github.com/tallygate/tallygate/integration/bench/stats"
)

// tags are those the product is built with.
const tags = "nobadger,nomysql,nopgx"

// suite is benchmarks of one package of the product.
type suite struct {
	folder  string
	pattern string // of the full run
	short   string // of the short one; "" = the same
	cpu     int    // processors they may use
}

var suites = []suite{
	{folder: "meter", pattern: "^BenchmarkMachine$", cpu: 2},
	{folder: "meter", pattern: "^Benchmark(AdmitSettle|Identify)$/^(accounts|keys)=(1|1000000)$",
		short: "^Benchmark(AdmitSettle|Identify)$/^(accounts|keys)=(1|100000)$", cpu: 2},
	{folder: "meter", pattern: "^Benchmark(AdmitSettleParallel|Window)$", cpu: 2},
	{folder: "meter", pattern: "^BenchmarkWay$/^(rate_limited|arrears|unknown_key)$", cpu: 2},
	{folder: "meter/outcome", pattern: "^BenchmarkBody$", cpu: 1},
	{folder: "meter/tally", pattern: "^BenchmarkAddRandom$", cpu: 2},
	{folder: "account", pattern: "^BenchmarkMonth$", cpu: 1},
	{folder: "rating", pattern: "^Benchmark(Charge|Accrual)$", cpu: 1},
}

// wanted is a figure that one benchmark gives.
type wanted struct {
	name      string
	benchmark string
	unit      string // as go test prints it
	shown     string // as the report shows it
	budget    figure.Budget
	method    string
}

func ns(name, benchmark, method string) wanted {
	return wanted{name: name, benchmark: benchmark, unit: "ns/op", shown: "ns", method: method}
}

func (w wanted) within(bound float64) wanted {
	w.budget = figure.AtMost(bound)
	return w
}

const fromKey = "from the secret key, its SHA-256 included, to the count"

// figures are what the benchmarks are run for: those of many accounts at random by
// what their names say of them, and their number.
func figures(of, number string) []wanted {
	list := []wanted{
		ns("admit_settle_ns", "AdmitSettle/accounts=1", "identify, admit, post, one account: "+fromKey).within(250),
		ns("admit_settle_"+of+"_ns", "AdmitSettle/accounts="+number, "the same at random over "+number+" accounts").within(1500),
		{name: "admit_settle_allocs", benchmark: "AdmitSettle/accounts=1", unit: "allocs/op", budget: figure.AtMost(0), method: "allocations of that"},
		ns("sha256_key_ns", "Machine/sha256_key", "of that, what the machine decides: one SHA-256 of as long a key"),
		ns("clock_ns", "Machine/clock", "the same: one reading of the wall clock"),
		ns("mutex_ns", "Machine/mutex", "the same: lock and unlock of a mutex that nobody else wants"),
		ns("admit_settle_two_own_ns", "AdmitSettleParallel/goroutines=2/accounts=own", "two goroutines with an account each: time for each call of either"),
		ns("admit_settle_two_same_ns", "AdmitSettleParallel/goroutines=2/accounts=same", "two goroutines with one account: the same"),
		ns("key_lookup_ns", "Identify/keys=1", "SHA-256 of a key and its look-up among 1"),
		ns("key_lookup_"+of+"_ns", "Identify/keys="+number, "the same at random among "+number),
		{name: "account_months_per_s", benchmark: "Month", unit: "months/s", shown: "/s",
			method: "rating on one core, no ledger: 720 hours of 3 lines settled (2 operations; free, package, pay-per-use), month closed, statement made and proved"},
		ns("price_two_tiers_ns", "Charge/two_tiers", "the price of a month's calls in two tiers"),
		ns("count_2m_random_ns", "AddRandom/synced", "counting at random into 2,000,000 slots while they are synced: mean"),
		{name: "count_2m_random_p99_ns", benchmark: "AddRandom/synced", unit: "p99-ns", shown: "ns", method: "the same, every eighth count timed by itself, two clock readings included"},
		{name: "count_2m_random_p999_ns", benchmark: "AddRandom/synced", unit: "p99.9-ns", shown: "ns", method: "the same"},
		ns("count_2m_random_unsynced_ns", "AddRandom/unsynced", "the same without the sync: mean"),
	}
	for _, why := range []string{"rate_limited", "arrears", "unknown_key"} {
		list = append(list, ns("refuse_"+why+"_ns", "Way/"+why, "look-up, verdict and tally of a refusal; without SHA-256 and wall clock"))
	}
	for _, n := range []string{"1", "10", "100", "1000", "10000"} {
		list = append(list, ns("window_"+n+"_ns", "Window/N="+n, "admit and post at the limit of "+n+" calls a second, window full; no key, no wall clock"))
	}
	for _, size := range [][2]string{{"1k", "1024"}, {"64k", "65536"}} {
		list = append(list, ns("body_rule_"+size[0]+"_ns", "Body/bytes="+size[1]+"/encoding=", "a member's absence from a whole JSON body of "+size[1]+" bytes"),
			ns("body_rule_"+size[0]+"_gzip_ns", "Body/bytes="+size[1]+"/encoding=gzip", "the same, compressed"))
	}
	return list
}

// benchmarks runs the suites in rounds and reports the figures. What they print
// is kept in benchmarks.txt, for benchstat.
func benchmarks(ctx context.Context, env bench.Env) error {
	of, number, rounds, benchtime := "1m", "1000000", 5, "300ms"
	if env.Short {
		of, number, rounds, benchtime = "random", "100000", 3, "30ms" // the name's end says how many
	}
	var printed bytes.Buffer
	for round := range rounds {
		for _, s := range suites {
			if err := s.run(ctx, env, benchtime, &printed); err != nil {
				return err
			}
		}
		env.Log("round %d of %d of the benchmarks is over", round+1, rounds)
	}
	if err := os.WriteFile(filepath.Join(env.Dir, "benchmarks.txt"), printed.Bytes(), 0o644); err != nil {
		return err
	}
	found := results{}
	if err := found.add(&printed); err != nil {
		return err
	}
	return found.report(env.Report, figures(of, number), rounds)
}

// run builds the package's tests, the first time, and runs the benchmarks once.
func (s suite) run(ctx context.Context, env bench.Env, benchtime string, printed io.Writer) error {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	binary := filepath.Join(env.Dir, strings.ReplaceAll(s.folder, "/", "-")+".test")
	if _, err := os.Stat(binary); err != nil {
		build := exec.CommandContext(ctx, "go", "test", "-C", root, "-tags", tags, "-c", "-o", binary, "./"+s.folder)
		if output, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", build, err, output)
		}
	}
	pattern := s.pattern
	if env.Short && s.short != "" {
		pattern = s.short
	}
	command := exec.CommandContext(ctx, binary, "-test.run", "^$", "-test.bench", pattern, "-test.benchmem",
		"-test.benchtime", benchtime, "-test.cpu", strconv.Itoa(s.cpu))
	command.Dir = filepath.Join(root, s.folder)
	output, err := command.Output()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", command, err, output)
	}
	_, err = printed.Write(output)
	return err
}

// report adds the figures, medians with the least and the greatest.
func (r results) report(report *figure.Report, list []wanted, rounds int) error {
	for _, w := range list {
		values, err := r.of(w.benchmark, w.unit)
		if err != nil {
			return err
		}
		report.Add(figure.Figure{Name: w.name, Value: stats.Median(values), Unit: w.shown, Low: slices.Min(values), High: slices.Max(values),
			Budget: w.budget, Method: fmt.Sprintf("%s (median, least and greatest of %d rounds)", w.method, rounds)})
	}
	one, err := r.of("AdmitSettleParallel/goroutines=1", "ns/op")
	if err != nil {
		return err
	}
	for _, name := range []string{"own", "same"} {
		two, err := r.of("AdmitSettleParallel/goroutines=2/accounts="+name, "ns/op")
		if err != nil {
			return err
		}
		ratios := make([]float64, min(len(one), len(two)))
		for i := range ratios {
			ratios[i] = one[i] / two[i]
		}
		report.Add(figure.Figure{Name: "admit_settle_two_vs_one_" + name, Value: stats.Median(ratios), Low: slices.Min(ratios), High: slices.Max(ratios),
			Method: "calls a second of two goroutines ÷ of one, round by round; 2 is all that two cores can give"})
	}
	return nil
}
