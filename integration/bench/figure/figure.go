// Package figure is what a benchmark found: named numbers, with how they were
// measured and what they ought to be.
package figure

import "fmt"

// Figure is one measured number.
type Figure struct {
	Name   string // such as cpu_ratio_metered_vs_bare; a name is given once
	Value  float64
	Unit   string // such as ns, ms, MiB; "" = a ratio or a count
	Low    float64
	High   float64 // 90 % interval, where Low < High
	Budget Budget
	Method string // how it was measured, in a line
}

// Budget is what a figure ought to be. The zero Budget is none: the figure is
// reported and nothing is asked of it.
type Budget struct {
	Bound float64
	Least bool // the figure must be at least Bound, not at most
	Set   bool
}

// AtMost is a budget from above.
func AtMost(bound float64) Budget { return Budget{Bound: bound, Set: true} }

// AtLeast is a budget from below.
func AtLeast(bound float64) Budget { return Budget{Bound: bound, Least: true, Set: true} }

// Met reports whether a value keeps the budget.
func (b Budget) Met(value float64) bool {
	switch {
	case !b.Set:
		return true
	case b.Least:
		return value >= b.Bound
	}
	return value <= b.Bound
}

func (b Budget) String() string {
	switch {
	case !b.Set:
		return ""
	case b.Least:
		return "≥ " + number(b.Bound)
	}
	return "≤ " + number(b.Bound)
}

// number writes a value with four digits that say something.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 1000 || v <= -1000:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4g", v)
}
