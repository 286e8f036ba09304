package usage

import (
	"slices"

	"github.com/tallygate/tallygate/account"
)

// sortRows sorts rows in place, by account first. A busy hour has millions, in the
// order in which accounts called first: they are dealt out to their blocks, and
// sorted there, where they fit the processor's cache.
func sortRows(rows []account.Count) {
	last := uint32(0)
	for _, c := range rows {
		last = max(last, c.Account/BlockAccounts)
	}
	if int(last) > len(rows) { // more blocks than rows: nothing to deal out
		slices.SortFunc(rows, compareRows)
		return
	}
	ends := make([]int, last+1)
	for _, c := range rows {
		ends[c.Account/BlockAccounts]++
	}
	for i := range last {
		ends[i+1] += ends[i]
	}
	deal(rows, ends)
	start := 0
	for _, end := range ends {
		slices.SortFunc(rows[start:end], compareRows)
		start = end
	}
}

func compareRows(a, b account.Count) int { return a.Compare(b.Line) }

// deal puts each row among those of its block, which end at ends: a row that stands
// elsewhere changes places with one there, until it is right.
func deal(rows []account.Count, ends []int) {
	next := make([]int, len(ends))
	copy(next[1:], ends)
	for block, end := range ends {
		for next[block] < end {
			c := &rows[next[block]]
			to := &next[c.Account/BlockAccounts]
			*c, rows[*to] = rows[*to], *c
			*to++
		}
	}
}
