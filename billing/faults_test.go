package billing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// gate is a store that can refuse commits.
type gate struct {
	ledger.Store
	commit atomic.Pointer[func(ledger.Step) error]
}

func (g *gate) Commit(s ledger.Step) error {
	if f := g.commit.Load(); f != nil {
		return (*f)(s)
	}
	return g.Store.Commit(s)
}

func (g *gate) set(f func(ledger.Step) error) { g.commit.Store(&f) }

// gated puts a gate between the engine and its store.
func (r *rig) gated() *gate {
	g := &gate{Store: provenStore{r.store}}
	r.flushLock.Lock()
	defer r.flushLock.Unlock()
	r.Store = g
	return g
}

// flushSome lets the disk fail in the middle of a flush.
func (r *rig) flushSome(rt *rapid.T) *gate {
	left := rapid.IntRange(0, 40).Draw(rt, "commits")
	g := r.gated()
	g.set(func(s ledger.Step) error {
		if left--; left < 0 {
			return ledger.ErrNoSpace
		}
		return provenStore{r.store}.Commit(s)
	})
	if err := r.Flush(); err != nil && !errors.Is(err, ledger.ErrNoSpace) {
		rt.Fatal(err)
	}
	return g
}

// TestQueriesWhileAPeriodIsApplied: readers apply it to their own block beside
// the settlement.
func TestQueriesWhileAPeriodIsApplied(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	const accounts = 640
	r.createMany(t, accounts)
	for hour := range int64(5) {
		var counts []account.Count
		for n := range uint32(accounts) {
			counts = append(counts, payPerUse(n+1, 10))
		}
		var all sync.WaitGroup
		for w := range 4 {
			all.Go(func() {
				for i := range accounts {
					if _, err := r.Account(fmt.Sprintf("a%d", (i*37+w*161)%accounts)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		if err := r.Settle(november.Unix()+hour*3600, 3600, counts); err != nil {
			t.Error(err)
		}
		all.Wait()
	}
}

// TestRefoldOfManyPeriods is more than a transaction of the store holds.
func TestRefoldOfManyPeriods(t *testing.T) {
	dir := t.TempDir()
	r := openRig(t, dir, november)
	r.must(t, "a", &account.CreateAccount{CreditLimit: "1000.00"})
	for hour := range int64(30) {
		counts := []account.Count{payPerUse(1, 1)}
		for ref := range uint32(12_000) {
			counts = append(counts, account.Count{Line: account.Line{Operation: 1, Kind: account.Unauthenticated, Ref: ref}, Calls: 1 << 40})
		}
		if err := r.Settle(november.Unix()+hour*3600, 3600, counts); err != nil {
			t.Fatal(err)
		}
	}
	before, err := r.Account("a")
	if err != nil {
		t.Fatal(err)
	}
	r.close(t)
	if err := os.RemoveAll(filepath.Join(dir, "badger")); err != nil {
		t.Fatal(err)
	}
	r.open(t)
	defer func() { r.close(t) }()
	if after, err := r.Account("a"); err != nil || after.Balance != before.Balance {
		t.Errorf("balance %d before and %d after, %v", before.Balance, after.Balance, err)
	}
}

func addKey(secret string) (*account.AddKey, [32]byte) {
	hash := sha256.Sum256([]byte(secret))
	return &account.AddKey{Key: "k", Kind: account.SecretKey, Hash: hex.EncodeToString(hash[:])}, hash
}

// TestKeyThatMovesBetweenBlocks: the ledger knows the owner whatever the order
// in which the blocks reach it, and also if only one of them does.
func TestKeyThatMovesBetweenBlocks(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.createMany(t, 64)
	byNumber := map[uint32]string{}
	for i := range 64 {
		a, err := r.Account(fmt.Sprintf("a%d", i))
		if err != nil {
			t.Fatal(err)
		}
		byNumber[a.Number] = a.ID
	}
	first, second := byNumber[1], byNumber[64] // in block 0 and in block 1
	move := func(secret string) [32]byte {
		cmd, hash := addKey(secret)
		r.must(t, first, cmd)
		r.must(t, first, &account.RevokeKey{Key: "k"})
		r.must(t, second, cmd)
		return hash
	}
	done := func() { r.must(t, second, &account.RevokeKey{Key: "k"}) }
	check := func(hash [32]byte) {
		t.Helper()
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
		if n, err := r.store.KeyOwner(hash); n != 64 || err != nil {
			t.Fatalf("the ledger gives the key to %d, %v; want 64", n, err)
		}
	}
	for i := range 20 {
		check(move(fmt.Sprint("secret", i)))
		done()
	}
	for block := range uint32(2) {
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
		g := r.gated()
		hash := move(fmt.Sprint("crash", block))
		g.set(func(s ledger.Step) error { // the disk fails after one block
			for _, b := range s.Blocks {
				if b.Number == block {
					if err := r.store.Commit(ledger.Step{Blocks: []ledger.Block{b}, Keys: s.Keys}); err != nil {
						t.Error(err)
					}
				}
			}
			return ledger.ErrNoSpace
		})
		if err := r.Flush(); err == nil {
			t.Fatal("the flush reports no failure")
		}
		r.crash(t)
		r.open(t)
		check(hash)
		done()
	}
}

// TestOtherSettingsFoldNothing: a start with settings that the ledger was not
// created with must not fold the journal's tail by them (D7).
func TestOtherSettingsFoldNothing(t *testing.T) {
	start := time.Date(2026, 11, 30, 17, 0, 0, 0, time.UTC)
	r := openRig(t, t.TempDir(), start)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
	if err := r.Settle(start.Unix(), 3600, []account.Count{payPerUse(1, 10)}); err != nil {
		t.Fatal(err)
	}
	config := r.Config
	for _, lost := range []bool{false, true} {
		r.crash(t)
		if lost {
			if err := os.RemoveAll(filepath.Join(r.dir, "badger")); err != nil {
				t.Fatal(err)
			}
		}
		r.openFiles(t)
		config.Store, config.Journal, config.Zone = r.store, r.log, time.FixedZone("+08:00", 8*3600)
		if _, err := Open(config); !errors.Is(err, ErrOtherLedger) {
			t.Fatalf("opened in another zone: %v", err)
		}
		for _, c := range []func() error{r.log.Close, r.store.Close} {
			if err := c(); err != nil {
				t.Fatal(err)
			}
		}
		r.open(t)
		a, err := r.Account("a")
		if err != nil || len(a.Usage) != 1 || a.Usage[0].Month != 202611 {
			t.Fatalf("usage %+v, %v; want that of 202611", a.Usage, err)
		}
	}
}

// TestFlushAfterTheStoreRecovered folds what came while it failed, too.
func TestFlushAfterTheStoreRecovered(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	g := r.gated()
	g.set(func(ledger.Step) error { return ledger.ErrNoSpace })
	r.must(t, "a", &account.TopUp{Amount: "1.00", Reference: "r"})
	if err := r.Flush(); !errors.Is(err, ledger.ErrNoSpace) {
		t.Fatal(err)
	}
	if _, err := r.Do(Request{Account: "a", Command: &account.TopUp{Amount: "1.00", Reference: "r"}}); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("a command while the ledger cannot follow: %v", err)
	}
	if err := r.Settle(november.Unix(), 3600, []account.Count{payPerUse(1, 10)}); err != nil {
		t.Fatal(err)
	}
	g.commit.Store(nil)
	s, err := r.Statement("a", 202611)
	if err != nil || s.Closing != "0.85" || s.Usage != "0.15" {
		t.Errorf("closing %s, usage %s, %v", s.Closing, s.Usage, err)
	}
}

// TestSealedFileStaysWhileItsRecordIsUncertain: the journal that failed may hold
// the record that names it.
func TestSealedFileStaysWhileItsRecordIsUncertain(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() {
		if err := errors.Join(r.Engine.Close(), r.store.Close()); err != nil {
			t.Error(err)
		}
	}()
	r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	var files []os.FileInfo
	for range 2 {
		if err := r.Settle(november.Unix(), 3600, []account.Count{payPerUse(1, 10)}); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		paths, _ := filepath.Glob(filepath.Join(r.UsageDir, "*.usage"))
		if len(paths) != 1 {
			t.Fatal(paths)
		}
		info, err := os.Stat(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, info)
	}
	if !os.SameFile(files[0], files[1]) {
		t.Error("the sealed file was removed and written again")
	}
}

// TestPolicyOfAnUnfinishedPeriod: a policy that came after a period does not
// apply to it when its rest is settled after a crash (D20).
func TestPolicyOfAnUnfinishedPeriod(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	law := account.Law{Grace: 10, Retention: 20}
	if err := r.SetPolicy(account.Policy{Law: law}); err != nil {
		t.Fatal(err)
	}
	r.must(t, "a", &account.CreateAccount{})
	r.settleLock.Lock()
	in, err := r.seal(november.Unix(), 3600, []account.Count{payPerUse(1, 10)}, account.Shortfall{})
	if err == nil {
		err = r.append(inputPeriod, in)
	}
	r.settleLock.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.SetPolicy(account.Policy{Law: account.Law{Grace: 1, Retention: 2}}), r.Flush()); err != nil {
		t.Fatal(err)
	}
	r.crash(t)
	r.open(t)
	a, err := r.Account("a")
	if err != nil || a.ArrearsLaw != law {
		t.Errorf("law %+v, %v; want %+v", a.ArrearsLaw, err, law)
	}
	if p := r.Meta().Policy; p.Grace != 1 {
		t.Errorf("policy %+v", p)
	}
}

// TestABlockTakesAPeriodOnce: whoever comes first applies an appended period to
// a block; to look again while other blocks wait for it changes nothing.
func TestABlockTakesAPeriodOnce(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r := openRig(t, t.TempDir(), start)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{Account: "a", CreditLimit: "10.00"})
	in, err := r.seal(start.Unix(), 3600, []account.Count{{Line: account.Line{Account: 1, Operation: 1, Kind: account.PayPerUse}, Calls: 10}}, account.Shortfall{})
	if err == nil {
		err = r.append(inputPeriod, in)
	}
	if err != nil {
		t.Fatal(err)
	}
	for look := range 3 {
		if a, err := r.Account("a"); err != nil || a.Balance != -15 {
			t.Fatalf("look %d: %+v, %v; want a balance of -15", look, a, err)
		}
	}
	if err := r.applyPending(); err != nil {
		t.Fatal(err)
	}
	if a, _ := r.Account("a"); a.Balance != -15 {
		t.Errorf("balance %d, want -15", a.Balance)
	}
}
