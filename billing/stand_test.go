package billing

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/badgerstore"
	"github.com/tallygate/tallygate/rating"
)

// provenStore, which most tests fold into, holds the terms that a step says stand
// against those that are there.
type provenStore struct{ *badgerstore.Store }

// Commit implements ledger.Store.
func (s provenStore) Commit(step ledger.Step) error {
	for _, b := range step.Blocks {
		was, err := s.Block(b.Number)
		if err != nil || !b.TermsStand || len(was.Accounts) == 0 {
			continue
		}
		_, before := ledger.AppendBlockParts(nil, nil, was)
		if _, now := ledger.AppendBlockParts(nil, nil, b); !bytes.Equal(before, now) {
			panic(fmt.Sprintf("the terms of block %d do not stand: input %d changed them", b.Number, b.Folded))
		}
	}
	if err := s.Store.Commit(step); err != nil {
		return err
	}
	last := map[uint32]ledger.Block{}
	for _, b := range step.Blocks {
		last[b.Number] = b
	}
	for n, b := range last { // and it is what can be read
		is, err := s.Block(n)
		if errors.Is(err, ledger.ErrUnknownOutcome) {
			return nil
		}
		if err != nil || !bytes.Equal(ledger.AppendBlock(nil, is), ledger.AppendBlock(nil, b)) {
			panic(fmt.Sprintf("block %d is not what was committed, input %d: %v", n, b.Folded, err))
		}
	}
	return nil
}

// standing counts the blocks of which a step says that their terms stand.
type standing struct {
	provenStore
	stand, all atomic.Int64
}

func (s *standing) Commit(step ledger.Step) error {
	for _, b := range step.Blocks {
		if s.all.Add(1); b.TermsStand {
			s.stand.Add(1)
		}
	}
	return s.provenStore.Commit(step)
}

// TestTermsStand: hours and ends of months leave them. A command does not, nor what time
// brings, until the block has left memory.
func TestTermsStand(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 30, 20, 0, 0, 0, time.UTC)
	r := openRig(t, t.TempDir(), start)
	r.must(t, "a", &account.CreateAccount{CreditLimit: "100.00"})
	reopened := func() *standing {
		r.close(t)
		r.open(t)
		s := &standing{provenStore: provenStore{r.store}}
		r.Store = s
		return s
	}
	s := reopened()
	step := func(what string, stand bool, do func()) {
		t.Helper()
		s.stand.Store(0)
		s.all.Store(0)
		do()
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
		if all, got := s.all.Load(), s.stand.Load(); all == 0 || (got == all) != stand {
			t.Errorf("%s: %d blocks of %d stand", what, got, all)
		}
	}
	at := start.Unix()
	next := func() {
		r.now = (at + hour) * 1e9
		r.settle(t, at, payPerUse(1, 5))
		at += hour
	}
	step("an hour", true, next)
	step("another", true, next)
	limit := "200.00"
	step("a command", false, func() { r.must(t, "a", &account.ChangeAccount{CreditLimit: &limit}) })
	step("an hour after it", false, next)
	s = reopened()
	step("the month's last hour", true, next)
	r.must(t, "a", &account.BuyPackage{Package: "tagging-50"})
	s = reopened()
	step("an hour with a package", true, next)
	at = rating.HourStart(r.account(t, "a").Packages[0].End-15*24*hour, time.UTC)
	r.live(t, at-1)
	s = reopened()
	step("an hour with a notice of its expiry", false, next)
	s = reopened()
	step("an hour after that", true, next)
	r.verified(t)
	r.close(t)
}

// TestTermsStandAfterEviction: a block whose terms a command changed leaves memory and
// comes back within one run. From then on its hours leave the new terms.
func TestTermsStandAfterEviction(t *testing.T) {
	few(t, 1)
	r, ids := withThreeBlocks(t, november)
	s := &standing{provenStore: provenStore{r.store}}
	r.flushLock.Lock()
	r.Store = s
	r.flushLock.Unlock()
	at := november.Unix()
	for n := range 3 {
		limit := fmt.Sprintf("%d00.00", n+2)
		r.must(t, ids[0], &account.ChangeAccount{CreditLimit: &limit})
		r.must(t, ids[0], &account.BuyPackage{Package: "tagging-50"})
		for range 2 {
			if err := r.Flush(); err != nil {
				t.Fatal(err)
			}
			if !r.blocks.drop(0, 2) {
				t.Fatal("a block stays in memory")
			}
			s.stand.Store(0)
			r.now = (at + hour) * 1e9
			r.settle(t, at, payPerUse(1, 5))
			at += hour
			if err := r.Flush(); err != nil {
				t.Fatal(err)
			}
			if s.stand.Load() == 0 {
				t.Error("the terms of a block that was read again do not stand")
			}
		}
	}
	r.survives(t)
	r.verified(t)
}

// TestTermsOfALaterPart: of the parts of a block that come into one step the last one
// counts, also in what it says of its terms.
func TestTermsOfALaterPart(t *testing.T) {
	bytes := stepBytes
	stepBytes = 1 << 14
	defer func() { stepBytes = bytes }()
	r := openRig(t, t.TempDir(), november)
	r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
	r.must(t, "a", &account.Subscribe{Instance: "i", Row: "large", Months: 1})
	r.close(t)
	r.open(t)
	var images []account.Image
	for n := range partImages() / 2 { // a product and a picture each
		i := account.Image{Account: 1, Instance: r.account(t, "a").Instances[0].ID}
		i.Product[0], i.Product[1], i.Picture[0] = byte(n), byte(n>>8), 1
		images = append(images, i)
	}
	if _, _, err := r.changeImages(account.ImageAdded, images); err != nil {
		t.Fatal(err)
	}
	b := r.blocks.blocks[0]
	if len(b.parts) != 1 || !b.parts[0].Blocks[0].TermsStand {
		t.Fatalf("%d parts", len(b.parts))
	}
	limit := "200.00"
	r.must(t, "a", &account.ChangeAccount{CreditLimit: &limit})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.survives(t)
	r.verified(t)
	r.close(t)
}
