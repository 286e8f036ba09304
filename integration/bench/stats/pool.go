// Package stats is what the benchmark computes from its samples: quantiles, and
// how far they can be trusted.
//
// A sample is a number of values that were measured together, such as the
// latencies of one slice of load. Samples are independent of one another, the
// values of one are not: the bootstrap draws whole samples.
package stats

import (
	"cmp"
	"slices"
)

// Pool is the values of all samples in one.
type Pool struct {
	values []value // the greatest first
	sizes  []int   // of each sample
}

type value struct {
	value  float64
	sample int
}

// NewPool pools samples, some of which may be empty.
func NewPool(samples [][]float64) *Pool {
	p := &Pool{sizes: make([]int, len(samples))}
	for i, sample := range samples {
		p.sizes[i] = len(sample)
		for _, v := range sample {
			p.values = append(p.values, value{v, i})
		}
	}
	slices.SortFunc(p.values, func(a, b value) int { return cmp.Compare(b.value, a.value) })
	return p
}

// Percentile is the least value that at least so many of 100 values do not
// exceed, where sample i stands draws[i] times in the pool; where just so many
// do not exceed it, the middle between it and the next. It is 0 without values.
func (p *Pool) Percentile(percent int, draws []int) float64 {
	total := 0
	for i, size := range p.sizes {
		total += draws[i] * size
	}
	above, next := 0, 0.0 // how many values are greater, and the least of them
	for _, v := range p.values {
		drawn := draws[v.sample]
		if drawn == 0 {
			continue
		}
		switch from := 100 * (total - above); { // how many are not greater than v, in hundredths
		case from == percent*total && above > 0:
			return (v.value + next) / 2
		case from-100*drawn < percent*total:
			return v.value
		}
		above += drawn
		next = v.value
	}
	return 0
}

// Once draws each of n samples once: the pool as it was measured.
func Once(n int) []int {
	draws := make([]int, n)
	for i := range draws {
		draws[i] = 1
	}
	return draws
}
