package rating

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// mergeUsage adds up equal lines, in the order in which calls are paid (D11).
func mergeUsage(usage []Usage) []Usage {
	sorted := slices.Clone(usage)
	slices.SortStableFunc(sorted, func(a, b Usage) int {
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), compareFunding(a.Funding, b.Funding))
	})
	var merged []Usage
	for _, u := range sorted {
		last := len(merged) - 1
		switch {
		case u.Calls == 0:
		case last >= 0 && merged[last].Operation == u.Operation && merged[last].Funding == u.Funding:
			merged[last].Calls = saturatedSum(merged[last].Calls, u.Calls)
		default:
			merged = append(merged, u)
		}
	}
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

// mergeNotBilled sorts, and adds up equal operation and reason.
func mergeNotBilled(in []NotBilled) []NotBilled {
	sorted := slices.Clone(in)
	slices.SortStableFunc(sorted, func(a, b NotBilled) int {
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Reason, b.Reason))
	})
	merged := []NotBilled{}
	for _, n := range sorted {
		last := len(merged) - 1
		if last >= 0 && merged[last].Operation == n.Operation && merged[last].Reason == n.Reason {
			merged[last].Calls = saturatedSum(merged[last].Calls, n.Calls)
			continue
		}
		merged = append(merged, n)
	}
	return merged
}
