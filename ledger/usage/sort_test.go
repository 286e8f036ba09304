package usage

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// TestSortRows against the library's sort: of accounts close together, spread over
// the whole range, and none.
func TestSortRows(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, most := range []uint32{1, 63, 64, 500, 100_000, 1<<32 - 1} {
		for _, size := range []int{0, 1, 2, 100, 5_000} {
			rows := make([]account.Count, size)
			for i := range rows {
				rows[i] = account.Count{Line: account.Line{Account: random.Uint32N(most), Operation: uint16(random.IntN(3)),
					Kind: account.Kind(1 + random.IntN(3)), Ref: random.Uint32N(2)}, Calls: random.Uint64()}
			}
			want := slices.Clone(rows)
			byCalls := func(a, b account.Count) int { return cmp.Or(a.Compare(b.Line), cmp.Compare(a.Calls, b.Calls)) }
			slices.SortFunc(want, byCalls)
			sortRows(rows)
			if !slices.IsSortedFunc(rows, func(a, b account.Count) int { return a.Compare(b.Line) }) {
				t.Fatalf("%d rows of accounts below %d are not sorted", size, most)
			}
			slices.SortFunc(rows, byCalls) // equal lines may stand in any order
			if !slices.Equal(rows, want) {
				t.Fatalf("%d rows of accounts below %d: others than there were", size, most)
			}
		}
	}
}
