package billing

import (
	"context"
	"errors"
	"fmt"

	"github.com/tallygate/tallygate/ledger"
)

// Verification is what a verify found.
type Verification struct {
	Accounts    int          `json:"accounts"`
	Inputs      uint64       `json:"inputs"` // journal records walked
	Files       int          `json:"files"`  // sealed files read, each against the hash in the journal
	Lost        []Lost       `json:"lost"`   // periods whose usage is gone, which was accepted
	Differences []Difference `json:"differences"`
}

// Difference is something that the ledger has otherwise than journal and sealed
// files make it.
type Difference struct {
	Account    string `json:"account"` // its id, or the number of its block
	What       string `json:"what"`
	Ledger     string `json:"ledger"`
	Recomputed string `json:"recomputed"`
}

// verifyBlocks is how many blocks a walk through the journal folds at once,
// which bounds its memory.
const verifyBlocks = 256

// Verify makes an account, or with an empty id all accounts, again from the
// journal and the sealed usage files, and holds the result against the ledger:
// state, usage by hour, movements, events, statements, images, the periods whose
// counts are a lower bound, and what is found by name: ids, API keys, answers to
// commands, trials, price books. Before that all of the journal's segments are
// checked. Progress is in journal records; total may grow while the gateway runs.
func (e *Engine) Verify(ctx context.Context, id string, progress func(done, total uint64)) (Verification, error) {
	first, end := uint32(0), ledger.BlockOf(e.Meta().Accounts)+1
	only := uint32(0)
	if id != "" {
		a, err := e.Account(id)
		if err != nil {
			return Verification{}, err
		}
		only, first = a.Number, ledger.BlockOf(a.Number)
		end = first + 1
	}
	if err := e.Journal.VerifyAll(nil); err != nil {
		return Verification{}, err
	}
	lost, err := lostPeriods(e.Journal, 1)
	if err != nil {
		return Verification{}, err
	}
	found := Verification{Differences: []Difference{}, Lost: sortedLost(lost)}
	passes := uint64((end - first + verifyBlocks - 1) / verifyBlocks)
	for pass := uint64(0); first < end; pass++ {
		until := min(first+verifyBlocks, end)
		f := e.newRefold(first, until, only != 0)
		f.engine.lost = lost
		f.progress = func(done, total uint64) { progress(pass*total+done, passes*total) }
		err := f.compare(ctx, only, &found)
		if err != nil {
			return found, err
		}
		if pass == 0 {
			found.Differences = append(found.Differences, f.shortfalls()...)
		}
		first = until
	}
	return found, nil
}

// refold folds blocks [first, end) from journal and sealed files into a scratch
// ledger.
type refold struct {
	live       *Engine
	engine     *Engine
	store      *scratch
	first, end uint32
	next       uint64 // first record not folded
	files      int
	progress   func(done, total uint64)
}

func (e *Engine) newRefold(first, end uint32, whole bool) *refold {
	f := &refold{live: e, store: newScratch(whole), first: first, end: end, next: 1}
	c := e.Config
	c.Store, c.Watcher, c.Now = f.store, nil, func() int64 { return 0 }
	f.engine = &Engine{Config: c, recovering: true, unrecorded: map[uint64][]byte{}, only: f.within}
	f.engine.blocks.engine = f.engine
	f.engine.recent.reset()
	return f
}

func (f *refold) within(block uint32) bool { return block >= f.first && block < f.end }

// errMoving: the ledger went on faster than it could be read.
var errMoving = errors.New("the ledger changes too fast to be held against the journal: try again")

// compare folds up to the journal's head and holds the blocks against the
// ledger, those that go on meanwhile again.
func (f *refold) compare(ctx context.Context, only uint32, found *Verification) error {
	for range 100 {
		if err := f.fold(ctx); err != nil {
			return err
		}
		if err := f.live.Flush(); err != nil {
			return err
		}
		differences, accounts, same, err := f.differences(only)
		if err == nil && same {
			same, err = f.names(only, &differences)
		}
		if err != nil {
			return err
		}
		if same {
			found.Differences = append(found.Differences, differences...)
			found.Accounts += accounts
			found.Inputs = max(found.Inputs, f.next-1)
			found.Files = max(found.Files, f.files)
			return nil
		}
	}
	return errMoving
}

// fold takes the journal's records that it has not got.
func (f *refold) fold(ctx context.Context) error {
	total := f.live.Journal.Head().Seq
	for rec, err := range f.live.Journal.Read(f.next) {
		if err != nil {
			return fmt.Errorf("reading the journal: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if rec.Seq > total {
			break
		}
		if rec.Kind == inputPeriod {
			in, err := decode[periodInput](rec.Seq, rec.Payload)
			if err != nil {
				return err
			}
			if in.File != "" {
				f.files++
			}
		}
		if err := f.engine.fold(rec); err != nil {
			return fmt.Errorf("folding journal record %d (%s): %w", rec.Seq, rec.Kind, err)
		}
		if f.next = rec.Seq + 1; f.next%4096 == 0 {
			if err := f.engine.Flush(); err != nil {
				return err
			}
			f.progress(rec.Seq, total)
		}
	}
	f.progress(total, total)
	return f.engine.Flush()
}

// differences holds every block against the ledger. Same is false where a block
// has gone on meanwhile.
func (f *refold) differences(only uint32) (list []Difference, accounts int, same bool, err error) {
	for n := f.first; n < f.end; n++ {
		have, err := f.live.Store.Block(n)
		if err != nil {
			return nil, 0, false, err
		}
		want := f.store.blocks[n]
		if have.Folded != want.Folded {
			return nil, 0, have.Folded < want.Folded && f.live.Journal.Head().Seq < f.next, nil
		}
		d := differ{refold: f, block: n, only: only}
		if err := d.all(have, want); err != nil {
			return nil, 0, false, err
		}
		again, err := f.live.Store.Block(n)
		if err != nil || again.Folded != have.Folded {
			return nil, 0, false, err
		}
		list, accounts = append(list, d.found...), accounts+d.accounts
	}
	return list, accounts, true, nil
}
