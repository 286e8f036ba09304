package usage

import (
	"slices"

	"github.com/tallygate/tallygate/account"
)

const (
	pileBits = 8
	piles    = 1 << pileBits
	few      = 12 // rows that are sooner compared than dealt out
)

// sortRows sorts rows in place, by account first. A busy hour has millions, in the
// order in which accounts called first: they are dealt out by their accounts'
// numbers, so that only an account's few are compared.
func sortRows(rows []account.Count) {
	last := uint32(0)
	for i := range rows {
		last = max(last, rows[i].Account)
	}
	shift := 0
	for last>>shift >= piles {
		shift += pileBits
	}
	sortBy(rows, shift)
}

// sortBy sorts rows whose accounts differ at most in the bits below shift+pileBits:
// into piles by the upper ones of these, and each pile by the rest. There are few
// enough piles for the processor's cache to hold where each one ends.
func sortBy(rows []account.Count, shift int) {
	if len(rows) <= few || shift < 0 {
		slices.SortFunc(rows, compareRows)
		return
	}
	start := 0
	for _, end := range deal(rows, shift) {
		sortBy(rows[start:end], shift-pileBits)
		start = end
	}
}

func compareRows(a, b account.Count) int { return a.Compare(b.Line) }

// deal puts each row among those of its pile, and returns where the piles end: a row
// that stands elsewhere changes places with one there, until it is right.
func deal(rows []account.Count, shift int) (ends [piles]int) {
	for i := range rows {
		ends[rows[i].Account>>shift%piles]++
	}
	var next [piles]int
	end := 0
	for i, n := range ends {
		next[i] = end
		end += n
		ends[i] = end
	}
	for i, end := range ends {
		for next[i] < end {
			c := &rows[next[i]]
			to := &next[c.Account>>shift%piles]
			*c, rows[*to] = rows[*to], *c
			*to++
		}
	}
	return ends
}
