package stats

import "slices"

// Quantile is the smallest value that a part of all do not exceed: 0.5 gives a
// median, 0.99 the 99th percentile. Without values it is 0.
func Quantile[T ~int64 | ~float64](values []T, part float64) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

// Median is the middle value, or the mean of the two in the middle.
func Median(values []float64) float64 {
	median, _, _ := MedianInterval(values, 0)
	return median
}

// MedianInterval is the median, and its 90 % bootstrap interval.
func MedianInterval(values []float64, seed uint64) (median, low, high float64) {
	samples := make([][]float64, len(values))
	for i := range values {
		samples[i] = values[i : i+1]
	}
	pool := NewPool(samples)
	of := func(draws []int) float64 { return pool.Percentile(50, draws) }
	low, high = Bootstrap(len(values), seed, of)
	return of(Once(len(values))), low, high
}
