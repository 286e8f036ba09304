package usage

import (
	"slices"

	"github.com/tallygate/tallygate/account"
)

// sortRows sorts rows in place, by account first. A busy hour has millions, in the
// order in which accounts called first: they are dealt out to their blocks, and
// sorted there, where they fit the processor's cache.
func sortRows(rows []account.Count) {
	compare := func(a, b account.Count) int { return a.Compare(b.Line) }
	last := uint32(0)
	for _, c := range rows {
		last = max(last, c.Account/BlockAccounts)
	}
	if int(last) > len(rows) { // more blocks than rows: nothing to deal out
		slices.SortFunc(rows, compare)
		return
	}
	starts := make([]int, last+2)
	for _, c := range rows {
		starts[c.Account/BlockAccounts+1]++
	}
	for i := range last + 1 {
		starts[i+1] += starts[i]
	}
	next := slices.Clone(starts)
	dealt := make([]account.Count, len(rows))
	for _, c := range rows {
		at := &next[c.Account/BlockAccounts]
		dealt[*at] = c
		*at++
	}
	for i := range last + 1 {
		slices.SortFunc(dealt[starts[i]:starts[i+1]], compare)
	}
	copy(rows, dealt)
}
