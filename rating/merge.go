package rating

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// mergeUsage adds up equal lines, and puts them in the order in which calls are
// paid (D11). A month has many lines and few that differ: those are sorted.
func mergeUsage(usage []Usage) []Usage {
	calls := map[Usage]uint64{}
	for _, u := range usage {
		n := u.Calls
		u.Calls = 0
		calls[u] = saturatedSum(calls[u], n)
	}
	var merged []Usage
	for u, n := range calls {
		if u.Calls = n; n > 0 {
			merged = append(merged, u)
		}
	}
	slices.SortFunc(merged, func(a, b Usage) int {
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), compareFunding(a.Funding, b.Funding), cmp.Compare(a.Funding, b.Funding))
	})
	return merged
}

// saturatedSum is a + b, or the largest number, which newLine refuses: no ledger
// counts as far.
func saturatedSum(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// compareFunding puts kinds in the order of D11, and 3 before 10.
func compareFunding(a, b string) int {
	kindA, refA, _ := strings.Cut(a, ":")
	kindB, refB, _ := strings.Cut(b, ":")
	order := []string{FundingFree, FundingPackage, FundingPayPerUse, FundingSubscription}
	return cmp.Or(
		cmp.Compare(slices.Index(order, kindA), slices.Index(order, kindB)),
		cmp.Compare(len(refA), len(refB)),
		cmp.Compare(refA, refB),
	)
}

// mergeNotBilled adds up equal operation and reason, and sorts.
func mergeNotBilled(in []NotBilled) []NotBilled {
	calls := map[NotBilled]uint64{}
	for _, n := range in {
		more := n.Calls
		n.Calls = 0
		calls[n] = saturatedSum(calls[n], more)
	}
	merged := []NotBilled{}
	for n, sum := range calls {
		n.Calls = sum
		merged = append(merged, n)
	}
	slices.SortFunc(merged, func(a, b NotBilled) int {
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Reason, b.Reason))
	})
	return merged
}
