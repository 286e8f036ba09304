package stats

import (
	"math/rand/v2"
	"slices"
)

// resamples is how often the bootstrap draws.
const resamples = 2000

// Bootstrap is the interval in which a statistic of n samples lies in 90 % of
// all redraws of as many samples from them. The statistic is told how often each
// sample was drawn. The same seed gives the same interval.
func Bootstrap(n int, seed uint64, statistic func(draws []int) float64) (low, high float64) {
	if n == 0 {
		return 0, 0
	}
	random := rand.New(rand.NewPCG(seed, uint64(n)))
	draws, found := make([]int, n), make([]float64, resamples)
	for i := range found {
		clear(draws)
		for range n {
			draws[random.IntN(n)]++
		}
		found[i] = statistic(draws)
	}
	slices.Sort(found)
	return found[resamples/20], found[resamples-1-resamples/20]
}
