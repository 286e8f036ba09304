package billing

import (
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// TestCommandsWhileInputsAreApplied: commands, images, reads and flushes go on
// while periods, due instants and a month's end are applied to many blocks, and
// the result is that of the journal.
func TestCommandsWhileInputsAreApplied(t *testing.T) {
	r := openRig(t, t.TempDir(), december.Add(-3*time.Hour))
	defer func() { r.close(t) }()
	const accounts = 640
	var clock atomic.Int64
	clock.Store(r.now)
	r.Config.Now = clock.Load
	r.createMany(t, accounts)
	var all sync.WaitGroup
	stop := make(chan struct{})
	work := func(every time.Duration, f func(n int) error) {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(every):
				}
				err := f(n)
				if no := new(account.Error); err != nil && !errors.As(err, &no) {
					t.Error(err)
				}
			}
		})
	}
	for w := range 4 {
		work(0, func(n int) error {
			id := fmt.Sprintf("a%d", (n*37+w*161)%accounts)
			commands := []account.Command{&account.TopUp{Amount: "1.00", Reference: "r"}, &account.BuyPackage{Package: "tagging-50", AutoRenew: true},
				&account.Subscribe{Instance: "shop", Row: "small", Months: 1}, &account.Adjust{Amount: "-1.00", Reason: "why", Reference: "r"}}
			_, err := r.Do(Request{Account: id, Command: commands[n%len(commands)]})
			return err
		})
	}
	work(0, func(n int) error {
		_, _, err := r.ChangeImages(account.ImageChange{Kind: account.ImageAdded,
			Image: named(account.Image{Account: uint32(n*37%accounts) + 1, Instance: 1}, n%3, n)})
		return err
	})
	work(0, func(n int) error { _, err := r.Statement(fmt.Sprintf("a%d", n*61%accounts), 202611); return err })
	work(time.Millisecond, func(int) error { return r.Flush() })
	work(time.Millisecond, func(n int) error {
		return r.SetPolicy(account.Policy{Law: account.Law{Grace: day, Retention: int64(n%2) * day}})
	})
	for h := range int64(6) {
		start := december.Unix() - 3*hour + h*hour
		clock.Store((start + hour) * 1e9)
		var counts []account.Count
		for n := range uint32(accounts) {
			counts = append(counts, payPerUse(n+1, 10))
		}
		if err := errors.Join(r.Settle(start, hour, counts), r.Reach(start+hour), r.Due(start+hour)); err != nil {
			t.Error(err)
		}
	}
	clock.Add(31 * day * 1e9)
	if err := errors.Join(r.Reach(clock.Load()/1e9), r.Due(clock.Load()/1e9)); err != nil {
		t.Error(err)
	}
	close(stop)
	all.Wait()
	r.now = clock.Load()
	b := r.survives(t)
	for id := range b.Accounts {
		if got := months(b.Statements[id]); len(got) != 2 {
			t.Fatalf("%s: closed %v", id, got)
		}
	}
	r.verified(t)
}

// slow is a store whose reads of blocks can be held up, or fail.
type slow struct {
	ledger.Store
	block atomic.Pointer[func(number uint32) error]
}

// BlocksBetween leaves the blocks to be read one by one.
func (s *slow) BlocksBetween(uint32, uint32, *ledger.Slabs) iter.Seq2[ledger.Block, error] {
	return none[ledger.Block]()
}

func (s *slow) Block(number uint32) (ledger.Block, error) {
	if f := s.block.Load(); f != nil {
		if err := (*f)(number); err != nil {
			return ledger.Block{}, err
		}
	}
	return s.Store.Block(number)
}

// TestWhatFailedInTheMiddleIsFinished by whatever comes next, whether it is the
// settlement again, the end of a month, or what is due.
func TestWhatFailedInTheMiddleIsFinished(t *testing.T) {
	start := december.Unix() - hour
	few(t, 1)
	counts := []account.Count{payPerUse(1, 100), payPerUse(64, 100), payPerUse(130, 100)}
	for name, again := range map[string]func(*rig) error{
		"settle": func(r *rig) error { return r.Settle(start, hour, counts) },
		"next":   func(r *rig) error { return r.Settle(start+hour, hour, nil) },
		"reach":  func(r *rig) error { return r.Reach(start + hour) },
		"due":    func(r *rig) error { return r.Due(start + hour) },
	} {
		r, ids := withThreeBlocks(t, december.Add(time.Minute))
		r.close(t)
		r.open(t)
		r.live(t, start) // nothing is due, so that the settlement is what reads the block
		s := &slow{Store: provenStore{r.store}}
		r.Store = s
		fail := func(number uint32) error {
			if number == 1 {
				return ledger.ErrDamaged
			}
			return nil
		}
		s.block.Store(&fail)
		if err := r.Settle(start, hour, counts); !errors.Is(err, ledger.ErrDamaged) {
			t.Fatal(err)
		}
		s.block.Store(nil)
		if err := again(r); err != nil {
			t.Fatal(name, err)
		}
		if len(r.pending) > 0 {
			t.Errorf("%s leaves something pending", name)
		}
		b := r.survives(t)
		for _, id := range ids {
			if got := months(b.Statements[id]); len(got) != 1 || b.Accounts[id].Balance != -151 {
				t.Errorf("%s: %s closed %v, balance %d", name, id, got, b.Accounts[id].Balance)
			}
		}
	}
}

// TestNobodyWaitsForAllBlocks: a flush, and what queues behind it, gets in
// between the blocks that a period is applied to.
func TestNobodyWaitsForAllBlocks(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	r.close(t)
	r.open(t) // nothing is in memory
	s := &slow{Store: provenStore{r.store}}
	r.Store = s
	first, flushed, once := make(chan struct{}), make(chan struct{}), sync.Once{}
	hold := func(number uint32) error {
		if number == 0 {
			once.Do(func() {
				close(first)
				time.Sleep(50 * time.Millisecond) // meanwhile the flush begins to wait
			})
			return nil
		}
		select {
		case <-flushed:
		case <-time.After(10 * time.Second):
			t.Errorf("block %d is applied before the flush came in", number)
		}
		return nil
	}
	s.block.Store(&hold)
	var all sync.WaitGroup
	all.Go(func() { r.settle(t, november.Unix(), payPerUse(1, 100), payPerUse(64, 100), payPerUse(130, 100)) })
	<-first
	all.Go(func() {
		if err := r.Flush(); err != nil {
			t.Error(err)
		}
		close(flushed)
	})
	all.Wait()
	s.block.Store(nil)
	for _, id := range ids {
		if a := r.account(t, id); a.Balance != -151 {
			t.Errorf("%s: balance %d", id, a.Balance)
		}
	}
}

// few keeps few idle blocks in memory.
func few(t *testing.T, blocks int) {
	kept, flushed, folded := keepBlocks, flushBlocks, foldBlocks
	keepBlocks, flushBlocks, foldBlocks = blocks, blocks, blocks
	t.Cleanup(func() { keepBlocks, flushBlocks, foldBlocks = kept, flushed, folded })
}

// TestFewBlocksStayInMemory, however many an input is for.
func TestFewBlocksStayInMemory(t *testing.T) {
	few(t, 2)
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	const accounts = 640
	r.createMany(t, accounts)
	check := func(after string) {
		t.Helper()
		if n := len(r.blocks.all()); n > 2*keepBlocks {
			t.Errorf("%d blocks stay in memory after %s", n, after)
		}
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	check("a flush")
	for i := range accounts {
		r.account(t, fmt.Sprintf("a%d", i))
	}
	check("reading all accounts")
	g, most := r.gated(), 0
	g.set(func(s ledger.Step) error {
		most = max(most, len(s.Blocks))
		return provenStore{r.store}.Commit(s)
	})
	var counts []account.Count
	for n := range uint32(accounts) {
		counts = append(counts, payPerUse(n+1, 10))
	}
	r.settle(t, november.Unix(), counts...)
	check("a settlement")
	if most == 0 || most > 2*keepBlocks {
		t.Errorf("flushes of up to %d blocks", most)
	}
	r.survives(t)
}

// TestBlocksAreDebitedAtOnce: who asks for an account of a period that is only in the
// journal lets its block be debited. Many may do so beside one another, and each block
// gets its own counts.
func TestBlocksAreDebitedAtOnce(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	const blocks, periods = 8, 10
	r.createMany(t, blocks*ledger.BlockSize)
	var ids []string
	for block := range uint32(blocks) {
		ids = append(ids, r.numbered(t, block*ledger.BlockSize+1))
	}
	for period := range int64(periods) {
		at := november.Unix() + period*hour
		r.now = (at + hour) * 1e9
		var counts []account.Count
		for number := uint32(1); number < blocks*ledger.BlockSize; number++ {
			counts = append(counts, payPerUse(number, uint64(number)*100))
		}
		r.appendPeriod(t, at, counts...)
		var all sync.WaitGroup
		for _, id := range ids {
			all.Go(func() { r.account(t, id) })
		}
		all.Wait()
	}
	r.live(t, november.Unix()+periods*hour)
	r.survives(t)
	r.verified(t)
}
