package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPercentile holds the pool's walk against a sorted list of all that was drawn.
func TestPercentile(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		samples := make([][]float64, 1+random.IntN(6))
		draws := make([]int, len(samples))
		var all []float64
		for i := range samples {
			draws[i] = random.IntN(4)
			for range random.IntN(30) {
				v := float64(random.IntN(20))
				samples[i] = append(samples[i], v)
				for range draws[i] {
					all = append(all, v)
				}
			}
		}
		slices.Sort(all)
		percent := 1 + random.IntN(99)
		if got, want := NewPool(samples).Percentile(percent, draws), percentile(all, percent); got != want {
			t.Fatalf("percentile %d of %v drawn %v: got %g, want %g of %v", percent, samples, draws, got, want, all)
		}
	}
}

// percentile of sorted values, by its definition.
func percentile(sorted []float64, percent int) float64 {
	for i, v := range sorted {
		switch atMost := 100 * (i + 1); {
		case atMost == percent*len(sorted):
			return (v + sorted[i+1]) / 2
		case atMost > percent*len(sorted):
			return v
		}
	}
	return 0
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}, {[]float64{1, 1, 1, 1}, 1}} {
		if got := Median(test.values); got != test.want {
			t.Errorf("median of %v: got %g, want %g", test.values, got, test.want)
		}
	}
}

// TestBootstrap draws from a normal distribution around 1, whose median the
// interval must cover in about nine of ten experiments.
func TestBootstrap(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const experiments, n = 200, 100
	covered := 0
	for seed := range uint64(experiments) {
		samples := make([][]float64, n)
		for i := range samples {
			samples[i] = []float64{1 + 0.1*random.NormFloat64()}
		}
		pool := NewPool(samples)
		median := func(draws []int) float64 { return pool.Percentile(50, draws) }
		low, high := Bootstrap(n, seed, median)
		if again, _ := Bootstrap(n, seed, median); again != low {
			t.Fatalf("the same seed gave %g, then %g", low, again)
		}
		if value := median(Once(n)); value < low || value > high {
			t.Fatalf("the median %g is outside of its interval %g – %g", value, low, high)
		}
		if low <= 1 && 1 <= high {
			covered++
		}
	}
	if share := float64(covered) / experiments; math.Abs(share-0.9) > 0.07 {
		t.Errorf("90 %% intervals covered the median in %.0f %% of the experiments", 100*share)
	}
}

func TestBootstrapOfNothing(t *testing.T) {
	if low, high := Bootstrap(0, 1, func([]int) float64 { return 1 }); low != 0 || high != 0 {
		t.Errorf("got %g – %g", low, high)
	}
}
