package badgerstore

import (
	"errors"
	"fmt"
	"iter"
	"runtime"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// blocksUpTo gives the values of so many blocks, of which every third is one
// value, and counts them. The memory of each is that of the one before.
func blocksUpTo(n uint32, given *uint32, change func(*blockValue)) iter.Seq2[blockValue, error] {
	return func(yield func(blockValue, error) bool) {
		var v blockValue
		for v.number = range n {
			b := ledger.Block{Number: v.number, Folded: uint64(v.number), Accounts: []*account.Account{{Number: v.number * ledger.BlockSize, ID: "a"}}}
			v.state, v.terms = ledger.AppendBlockParts(v.state[:0], v.terms[:0], b)
			if v.number%3 == 0 {
				v.state, v.terms = ledger.AppendBlock(v.state[:0], b), nil
			}
			if change(&v); !yield(v, nil) {
				return
			}
			*given++
		}
		yield(blockValue{}, errBlocksEnd)
	}
}

var errBlocksEnd = errors.New("the disk ends here")

// TestDecodedAhead: blocks come in order, whatever is ahead of them, up to an
// error or to where they are left, and few are read that nobody takes.
func TestDecodedAhead(t *testing.T) {
	t.Parallel()
	const all = 500
	ahead := uint32(runtime.GOMAXPROCS(0) * aheadEach * decodedAtOnce)
	for name, c := range map[string]struct {
		values, damaged, left uint32 // how many there are, which is damaged, after which they are left
		want                  uint32
		err                   error
	}{
		"to an error":        {all, all, all, all, errBlocksEnd},
		"none":               {0, all, all, 0, errBlocksEnd},
		"fewer than ahead":   {2, all, all, 2, errBlocksEnd},
		"to a damaged one":   {all, 123, all, 123, ledger.ErrDamaged},
		"the first damaged":  {all, 0, all, 0, ledger.ErrDamaged},
		"left":               {all, all, 77, 77, nil},
		"left before damage": {all, 80, 77, 77, nil},
		"left at once":       {all, all, 0, 0, nil},
	} {
		var given, got uint32
		var failed error
		for b, err := range decoded(blocksUpTo(c.values, &given, func(v *blockValue) {
			if v.number == c.damaged {
				v.state[0]++
			}
		})) {
			if failed = err; err != nil || got == c.left {
				break
			}
			if b.Number != got || b.Folded != uint64(got) || len(b.Accounts) != 1 {
				t.Fatalf("%s: %+v instead of block %d", name, b, got)
			}
			got++
		}
		if got != c.want || !errors.Is(failed, c.err) || given > got+ahead+1 {
			t.Errorf("%s: %d of %d blocks, %d read, %v", name, got, c.want, given, failed)
		}
	}
}

// TestDecodedStay: a block is whole until the next, whatever was decoded ahead of it.
func TestDecodedStay(t *testing.T) {
	t.Parallel()
	values := func(yield func(blockValue, error) bool) {
		for n := range uint32(100) {
			var b ledger.Block
			b.Number = n
			for i := range uint32(3) {
				b.Accounts = append(b.Accounts, &account.Account{Number: n*ledger.BlockSize + i, ID: fmt.Sprint(n, "-", i),
					Usage: []account.OperationUsage{{Operation: uint16(n + 1), Month: 202611, Free: uint64(i)}}})
			}
			state, terms := ledger.AppendBlockParts(nil, nil, b)
			if !yield(blockValue{n, state, terms}, nil) {
				return
			}
		}
	}
	for b, err := range decoded(values) {
		if err != nil {
			t.Fatal(err)
		}
		for range 100 { // so that all that is ahead is decoded
			runtime.Gosched()
		}
		for i, a := range b.Accounts {
			if a.Number != b.Number*ledger.BlockSize+uint32(i) || a.ID != fmt.Sprint(b.Number, "-", i) || a.Usage[0].Operation != uint16(b.Number+1) || a.Usage[0].Free != uint64(i) {
				t.Fatalf("block %d has %+v", b.Number, a)
			}
		}
	}
}
