package ledgertest

import (
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

func emptyLedger(b *bench) {
	b.holds(newModel())
	block, err := b.store.Block(7)
	b.must(same("block never committed", ledger.Block{Number: 7}, block, err))
	if hours, err := collect(b.store.Hours(0, math.MinInt64, math.MaxInt64)); err != nil || hours != nil {
		b.Errorf("hours: %v, %v", hours, err)
	}
	if movements, err := collect(b.store.Movements(1, 0)); err != nil || movements != nil {
		b.Errorf("movements: %v, %v", movements, err)
	}
	_, number := b.store.Number("nobody")
	_, owner := b.store.KeyOwner([32]byte{1})
	_, answer := b.store.Answer([32]byte{1})
	for _, err := range []error{number, owner, answer} {
		if !errors.Is(err, ledger.ErrNotFound) {
			b.Errorf("%v is not ErrNotFound", err)
		}
	}
	emptyMore(b)
	b.commit(ledger.Step{})
	b.holds(newModel())
}

func history(b *bench) {
	m := newModel()
	for n := uint64(1); n <= 60; n++ {
		s := stepOf(n)
		b.commit(s)
		m.apply(s)
		b.holds(m)
	}
}

func historyWithReopening(b *bench) {
	for n := uint64(1); n <= 24; n++ {
		b.commit(stepOf(n))
		if n%6 == 0 {
			b.reopen()
			b.holds(modelAfter(n))
		}
	}
}

func repeatedSteps(b *bench) {
	for n := uint64(1); n <= 10; n++ {
		b.commit(stepOf(n))
		b.commit(stepOf(n))
		b.holds(modelAfter(n))
	}
	b.reopen()
	b.commit(stepOf(10))
	b.holds(modelAfter(10))
}

// staleStep makes the last block of an otherwise good step go back.
func staleStep(b *bench) {
	for n := uint64(1); n <= 10; n++ {
		b.commit(stepOf(n))
	}
	s := stepOf(11)
	newest := slices.MaxFunc(sorted(modelAfter(10).blocks), func(x, y ledger.Block) int { return int(x.Folded) - int(y.Folded) })
	s.Blocks = append([]ledger.Block{blockOf(9, 11)}, blockOf(newest.Number, newest.Folded-1))
	s.Accounts, s.Keys = map[string]uint32{"account-3": 77}, map[[32]byte]uint32{hashOf(1): 77}
	for range 2 {
		if err := b.store.Commit(s); !errors.Is(err, ledger.ErrStale) {
			b.Fatalf("%v is not ErrStale", err)
		}
		b.holds(modelAfter(10))
		b.reopen()
	}
}

func equalFolded(b *bench) {
	b.commit(ledger.Step{Blocks: []ledger.Block{{Number: 1, Folded: 5}}})
	b.commit(ledger.Step{Blocks: []ledger.Block{blockOf(1, 5)}})
	block, err := b.store.Block(1)
	b.must(same("block", blockOf(1, 5), block, err))
}

func keysMoveAndGo(b *bench) {
	key, other := hashOf(1), hashOf(2)
	b.commit(ledger.Step{Keys: map[[32]byte]uint32{key: 1, other: 1}})
	for _, owner := range []uint32{2, 0, 0, math.MaxUint32} {
		b.commit(ledger.Step{Keys: map[[32]byte]uint32{key: owner}})
		b.reopen()
		got, err := b.store.KeyOwner(key)
		if owner == 0 {
			if !errors.Is(err, ledger.ErrNotFound) {
				b.Fatalf("key taken away: %d, %v", got, err)
			}
			continue
		}
		b.must(same("key", owner, got, err))
	}
	got, err := b.store.KeyOwner(other)
	b.must(same("the other key", uint32(1), got, err))
}

func hoursInOrder(b *bench) {
	starts := []int64{-7200, -3600, 0, 3600, 255 * 3600, 256 * 3600, 1_790_000_000}
	for _, i := range []int{4, 0, 6, 2, 5, 1, 3} {
		b.commit(ledger.Step{Hours: []ledger.BlockHour{hourOf(256, starts[i], 1), hourOf(255, starts[i], 1), hourOf(257, starts[i], 1)}})
	}
	for i := range starts {
		for j := range starts {
			var want []ledger.BlockHour
			for k := i; k < j; k++ {
				want = append(want, hourOf(256, starts[k], 1))
			}
			b.must(sameSeq("hours", want, b.store.Hours(256, starts[i], starts[j])))
			b.must(sameSeq("hours", want, b.store.Hours(256, starts[i]-1, starts[j]-1)))
		}
	}
	all, err := collect(b.store.Hours(256, math.MinInt64, math.MaxInt64))
	b.must(same("number of hours", len(starts), len(all), err))
}

func blocksInOrder(b *bench) {
	numbers := []uint32{0, 1, 255, 256, 65_535, 65_536, math.MaxUint32 / ledger.BlockSize}
	var want []ledger.Block
	for i, n := range numbers {
		b.commit(ledger.Step{Blocks: []ledger.Block{blockOf(numbers[len(numbers)-1-i], 3)}})
		want = append(want, blockOf(n, 3))
	}
	b.must(sameSeq("blocks", want, kept(b.store.Blocks())))
	for i := range numbers {
		for j := i; j < len(numbers); j++ {
			b.must(sameSeq("blocks", want[i:j+1], b.store.BlocksBetween(numbers[i], numbers[j], new(ledger.Slabs))))
		}
	}
	b.must(sameSeq("blocks", nil, b.store.BlocksBetween(2, 254, new(ledger.Slabs))))
	b.must(sameSeq("blocks", want[2:4], b.store.BlocksBetween(2, 257, new(ledger.Slabs))))
}

func movementsInOrder(b *bench) {
	numbers := []uint32{1, 2, 255, 256, 65_536, math.MaxUint32}
	var want []account.Movement
	for i, n := range numbers {
		for number := uint32(255); number <= 257; number++ {
			m := account.Movement{Account: number, Number: numbers[len(numbers)-1-i], Kind: "top-up"}
			b.commit(ledger.Step{Movements: []account.Movement{m}})
		}
		want = append(want, account.Movement{Account: 256, Number: n, Kind: "top-up"})
	}
	for i, n := range numbers {
		b.must(sameSeq("movements", want[i:], b.store.Movements(256, n)))
	}
	b.must(sameSeq("movements", want, b.store.Movements(256, 0)))
}

// largeStep is more than any transaction should need to take. A backend may
// refuse it, but not take a part.
func largeStep(b *bench) {
	b.commit(stepOf(1))
	m := modelAfter(1)
	var s ledger.Step
	for n := range uint32(40) {
		s.Movements = append(s.Movements, account.Movement{Account: 9, Number: n, Text: strings.Repeat("x", 100_000)})
	}
	err := b.store.Commit(s)
	switch {
	case err == nil:
		m.apply(s)
	case !errors.Is(err, ledger.ErrTooLarge):
		b.Fatalf("%v is not ErrTooLarge", err)
	}
	b.holds(m)
	if movements, _ := collect(b.store.Movements(9, 0)); err != nil && movements != nil {
		b.Fatalf("%d movements of a refused step", len(movements))
	}
}

func closedLedger(b *bench) {
	b.commit(stepOf(1))
	b.must(b.store.Err())
	b.must(b.store.Close())
	_, meta := b.store.Meta()
	_, block := b.store.Block(0)
	_, books := b.store.PriceBooks()
	_, blocks := collect(kept(b.store.Blocks()))
	_, hours := collect(b.store.Hours(0, 0, 1))
	_, events := collect(b.store.Events(1, 0))
	_, statements := collect(b.store.Statements(1, 0))
	_, pictures := collect(b.store.Pictures(1, 1))
	_, trial := b.store.Trial("customer-1")
	_, product := b.store.Product(productOf(1, 1, 1))
	_, picture := b.store.HasPicture(pictureOf(productOf(1, 1, 1), 0, 1))
	for _, err := range []error{meta, block, books, blocks, hours, events, statements, pictures, trial, product, picture, b.store.Commit(stepOf(2)), b.store.Err()} {
		if !errors.Is(err, ledger.ErrClosed) {
			b.Errorf("%v is not ErrClosed", err)
		}
	}
	b.must(b.store.Close())
	b.reopen()
	b.holds(modelAfter(1))
}
