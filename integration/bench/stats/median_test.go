package stats

import (
	"math/rand/v2"
	"testing"
)

func TestMedianAndQuantile(t *testing.T) {
	for _, c := range []struct {
		values []float64
		median float64
		p99    float64
	}{
		{nil, 0, 0}, {[]float64{3}, 3, 3}, {[]float64{4, 1}, 2.5, 4}, {[]float64{9, 1, 5}, 5, 9},
	} {
		if m, q := Median(c.values), Quantile(c.values, 0.99); m != c.median || q != c.p99 {
			t.Errorf("%v: median %v, p99 %v; want %v, %v", c.values, m, q, c.median, c.p99)
		}
	}
	hundred := make([]int64, 200)
	for i := range hundred {
		hundred[i] = int64(i)
	}
	if q := Quantile(hundred, 0.99); q != 198 {
		t.Errorf("p99 of 0 to 199 is %d", q)
	}
}

// The interval holds the median, and is narrow where the values are.
func TestInterval(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 100)
	for i := range values {
		values[i] = 10 + random.NormFloat64()
	}
	m, low, high := MedianInterval(values, 1)
	if low > m || high < m || high-low > 1 {
		t.Errorf("median %v, interval %v to %v", m, low, high)
	}
	if _, low, high := MedianInterval([]float64{7, 7, 7}, 1); low != 7 || high != 7 {
		t.Errorf("equal values have the interval %v to %v", low, high)
	}
}
