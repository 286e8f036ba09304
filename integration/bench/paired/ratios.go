package paired

import (
	"fmt"
	"time"

	"github.com/tallygate/tallygate/integration/bench/figure"
	"github.com/tallygate/tallygate/integration/bench/stats"
)

// CPURatio is how much CPU a request takes of one server, compared with another.
func CPURatio(name string, a, b []Slice, seed uint64) figure.Figure {
	f := ofPairs(name, a, b, seed, func(s Slice) float64 { return float64(s.CPU) / float64(len(s.Latencies)) })
	f.Method = "server CPU a request, by the kernel's clock of the process; " + f.Method
	return f
}

// ThroughputRatio is how many requests one server answers in a second, compared
// with another.
func ThroughputRatio(name string, a, b []Slice, seed uint64) figure.Figure {
	f := ofPairs(name, a, b, seed, func(s Slice) float64 { return float64(len(s.Latencies)) / s.Wall.Seconds() })
	f.Method = "requests a second; " + f.Method
	return f
}

// ofPairs is the median of the ratios of pairs.
func ofPairs(name string, a, b []Slice, seed uint64, of func(Slice) float64) figure.Figure {
	ratios := make([][]float64, len(a))
	for i := range a {
		ratios[i] = []float64{of(a[i]) / of(b[i])}
	}
	pool := stats.NewPool(ratios)
	return bootstrapped(name, len(a), seed, fmt.Sprintf("median ratio of %d pairs of slices", len(a)),
		func(draws []int) float64 { return pool.Percentile(50, draws) })
}

// P99Ratio is the latency that 99 of 100 requests keep, of one server compared
// with another.
func P99Ratio(name string, a, b []Slice, seed uint64) figure.Figure {
	of, in := pooled(a), pooled(b)
	return bootstrapped(name, len(a), seed, fmt.Sprintf("p99 of all latencies in %d slices each", len(a)),
		func(draws []int) float64 { return of.Percentile(99, draws) / in.Percentile(99, draws) })
}

// P99SliceRatio compares the p99 of slices of the same round, as CPURatio does the
// CPU. It does not move with what happens in less than half of them, which P99Ratio
// does: a collection of garbage, another process.
func P99SliceRatio(name string, a, b []Slice, seed uint64) figure.Figure {
	f := ofPairs(name, a, b, seed, func(s Slice) float64 { return float64(stats.Quantile(s.Latencies, 0.99)) })
	f.Method = "p99 of a slice's latencies, the greatest where there are no more than 100; " + f.Method
	return f
}

// AddedMedian is by how many milliseconds one server's median latency is above
// another's.
func AddedMedian(name string, a, b []Slice, seed uint64) figure.Figure {
	of, in := pooled(a), pooled(b)
	f := bootstrapped(name, len(a), seed, fmt.Sprintf("difference of the medians of all latencies in %d slices each", len(a)),
		func(draws []int) float64 { return of.Percentile(50, draws) - in.Percentile(50, draws) })
	f.Unit = "ms"
	return f
}

// CPUPerRequest is the mean over all slices, rare collections of garbage included.
func CPUPerRequest(name string, slices []Slice, seed uint64) figure.Figure {
	f := bootstrapped(name, len(slices), seed, fmt.Sprintf("server CPU of %d slices by their requests", len(slices)),
		func(draws []int) float64 {
			var cpu time.Duration
			requests := 0
			for i, s := range slices {
				cpu += time.Duration(draws[i]) * s.CPU
				requests += draws[i] * len(s.Latencies)
			}
			return float64(cpu.Nanoseconds()) / 1000 / float64(requests)
		})
	f.Unit = "µs"
	return f
}

// pooled latencies in milliseconds, a sample for each slice.
func pooled(slices []Slice) *stats.Pool {
	samples := make([][]float64, len(slices))
	for i, s := range slices {
		for _, l := range s.Latencies {
			samples[i] = append(samples[i], float64(l)/float64(time.Millisecond))
		}
	}
	return stats.NewPool(samples)
}

func bootstrapped(name string, n int, seed uint64, method string, statistic func(draws []int) float64) figure.Figure {
	f := figure.Figure{Name: name, Value: statistic(stats.Once(n)), Method: method}
	f.Low, f.High = stats.Bootstrap(n, seed, statistic)
	return f
}
