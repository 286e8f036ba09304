package ledgertest

import (
	"fmt"
	"sync"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// iterationAndCommit commits inside an iteration, which shows the ledger as it
// stood when it began.
func iterationAndCommit(b *bench) {
	blocks := func(n uint64) (s ledger.Step) {
		for number := range uint32(5) {
			s.Blocks = append(s.Blocks, blockOf(number, n))
		}
		return s
	}
	b.commit(blocks(1))
	seen := 0
	for block, err := range b.store.Blocks() {
		b.must(err)
		b.must(same("block", blockOf(uint32(seen), 1), block, nil))
		b.commit(blocks(uint64(seen) + 2))
		seen++
		if seen == 4 {
			break
		}
	}
	all, err := collect(kept(b.store.Blocks()))
	b.must(same("blocks", blocks(5).Blocks, all, err))
}

// readsBesideCommits commits steps that put several blocks at the same input,
// and never reads a mixture.
func readsBesideCommits(b *bench) {
	const steps = 60
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for last := uint64(0); ; {
				folded, err := foldedOfAll(b.store)
				if err != nil || folded < last {
					b.Errorf("folded %d after %d: %v", folded, last, err)
					return
				}
				last = folded
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for n := uint64(1); n <= steps; n++ {
		s := ledger.Step{Meta: metaOf(n)}
		for number := range uint32(20) {
			s.Blocks = append(s.Blocks, blockOf(number, n))
		}
		if err := b.store.Commit(s); err != nil {
			b.Error(err)
			break
		}
	}
	close(done)
	readers.Wait()
}

// foldedOfAll returns the input that all blocks have folded.
func foldedOfAll(s ledger.Store) (uint64, error) {
	blocks, err := collect(kept(s.Blocks()))
	if err != nil || len(blocks) == 0 {
		return 0, err
	}
	for _, b := range blocks {
		if b.Folded != blocks[0].Folded {
			return 0, fmt.Errorf("block %d is at %d, block %d at %d", b.Number, b.Folded, blocks[0].Number, blocks[0].Folded)
		}
	}
	return blocks[0].Folded, nil
}

func commitsAtOnce(b *bench) {
	const writers, each = 8, 10
	var wait sync.WaitGroup
	for w := range uint32(writers) {
		wait.Go(func() {
			for n := range uint32(each) {
				m := account.Movement{Account: w, Number: n, Kind: "top-up"}
				if err := b.store.Commit(ledger.Step{Movements: []account.Movement{m}}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wait.Wait()
	for w := range uint32(writers) {
		movements, err := collect(b.store.Movements(w, 0))
		b.must(same("movements", each, len(movements), err))
	}
}

// nothingShared changes what was committed and what was read.
func nothingShared(b *bench) {
	s := ledger.Step{Meta: metaOf(1), Blocks: []ledger.Block{blockOf(0, 1)}, Hours: []ledger.BlockHour{hourOf(0, 0, 1)}}
	b.commit(s)
	spoil := func(meta ledger.Meta, block ledger.Block, hour ledger.BlockHour) {
		meta.Operations[1] = "spoilt"
		block.Accounts[0].Balance, block.Accounts[0].Keys[0].ID = 666, "spoilt"
		hour.Charges[0].Calls = 666
	}
	spoil(*s.Meta, s.Blocks[0], s.Hours[0])
	for range 2 {
		meta, err := b.store.Meta()
		b.must(same("meta", *metaOf(1), meta, err))
		block, err := b.store.Block(0)
		b.must(same("block", blockOf(0, 1), block, err))
		hours, err := collect(b.store.Hours(0, 0, 1))
		b.must(same("hours", []ledger.BlockHour{hourOf(0, 0, 1)}, hours, err))
		spoil(meta, block, hours[0])
	}
}
