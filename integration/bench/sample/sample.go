// Package sample sums up repeated measurements.
package sample

import (
	"math/rand/v2"
	"slices"
)

// Quantile is the smallest value that a part of all do not exceed: 0.5 gives a
// median, 0.99 the 99th percentile. Without values it is 0.
func Quantile[T int64 | float64](values []T, part float64) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

// Median is the middle value, or the mean of the two in the middle.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// resamples is how often Interval draws.
const resamples = 2000

// Interval is the 90 % bootstrap interval of the median.
func Interval(values []float64, random *rand.Rand) (low, high float64) {
	if len(values) == 0 {
		return 0, 0
	}
	medians, drawn := make([]float64, resamples), make([]float64, len(values))
	for i := range medians {
		for j := range drawn {
			drawn[j] = values[random.IntN(len(values))]
		}
		medians[i] = Median(drawn)
	}
	return Quantile(medians, 0.05), Quantile(medians, 0.95)
}
