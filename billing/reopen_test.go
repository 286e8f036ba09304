package billing

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// disk fails where a test says, once or for good.
type disk struct {
	place atomic.Pointer[string] // of the next failure
	lasts atomic.Bool
}

func (d *disk) fault(place string) error {
	if p := d.place.Load(); p != nil && *p == place {
		if !d.lasts.Load() {
			d.place.Store(nil)
		}
		return syscall.EIO
	}
	return nil
}

// fail lets the next write or sync of the journal fail, before or after it has
// taken effect.
func (d *disk) fail(place string) { d.place.Store(&place) }

var journalPlaces = []string{"write", "written", "sync", "synced"}

// onDisk reports whether a record whose write failed at a place is there.
func onDisk(place string) bool { return place != "write" }

// quickly mends without waiting.
func quickly(t *testing.T) {
	first, most := mendFirst, mendMost
	mendFirst, mendMost = time.Millisecond, 10*time.Millisecond
	t.Cleanup(func() { mendFirst, mendMost = first, most })
}

// mended waits until commands are accepted again.
func (r *rig) mended(t tester) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		err := r.writable()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still not writable: %v", err)
		}
	}
}

// TestJournalIsOpenedAgain: a command whose record failed is there afterwards, or
// not, as the disk has it; sent again it gets one answer and happens once.
func TestJournalIsOpenedAgain(t *testing.T) {
	quickly(t)
	for _, place := range journalPlaces {
		t.Run(place, func(t *testing.T) {
			told := newListener()
			r := &rig{dir: t.TempDir(), config: book, now: november.UnixNano(), watcher: told}
			r.open(t)
			defer func() { r.close(t) }()
			r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
			pay := Request{Key: "pay", Account: "a", Command: &account.TopUp{Amount: "1.00", Reference: "r"}}
			r.disk.fail(place)
			if _, err := r.Do(pay); !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.EIO) {
				t.Fatalf("a command whose record failed: %v", err)
			}
			r.mended(t)
			first, err := r.Do(pay)
			if err != nil || first.Repeated != onDisk(place) {
				t.Fatalf("%+v, %v; the record was there: %t", first, err, onDisk(place))
			}
			again, err := r.Do(pay)
			if err != nil || !again.Repeated || !bytes.Equal(again.JSON, first.JSON) || again.Input != first.Input {
				t.Fatalf("%+v, %v; first %+v", again, err, first)
			}
			if a := r.account(t, "a"); a.Balance != 100 || told.accounts[a.Number].Balance != 100 {
				t.Errorf("balance %d, the watcher was told of %d; want 100", a.Balance, told.accounts[a.Number].Balance)
			}
		})
	}
}

// TestNumbersOfCreationsThatFailed are given again unless the creation happened.
func TestNumbersOfCreationsThatFailed(t *testing.T) {
	quickly(t)
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	want := uint32(0)
	for _, place := range journalPlaces {
		r.disk.fail(place)
		if _, err := r.Do(Request{Account: "of-" + place, Command: &account.CreateAccount{}}); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		r.mended(t)
		if onDisk(place) {
			want++
			if n := r.account(t, "of-"+place).Number; n != want {
				t.Errorf("%s: number %d, want %d", place, n, want)
			}
		} else if _, err := r.Account("of-" + place); err == nil {
			t.Errorf("%s: the account is there", place)
		}
		if got := r.Meta().Accounts; got != want {
			t.Errorf("%s: %d accounts, want %d", place, got, want)
		}
		r.must(t, "after-"+place, &account.CreateAccount{})
		if want++; r.account(t, "after-"+place).Number != want {
			t.Errorf("%s: the next number is not %d", place, want)
		}
	}
}

// TestSettlementWhoseRecordFailed happens once, whether its record is found or
// made again, and so does the record of what it gave.
func TestSettlementWhoseRecordFailed(t *testing.T) {
	quickly(t)
	for _, place := range journalPlaces {
		for nth := range 2 { // the period's record, and that of its result
			t.Run(fmt.Sprint(place, nth), func(t *testing.T) {
				r := openRig(t, t.TempDir(), november)
				defer func() { r.close(t) }()
				r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
				counts := func() []account.Count { return []account.Count{payPerUse(1, 10)} }
				left := nth
				r.disk.place.Store(nil)
				r.faults = func(at string) error {
					if at != place {
						return nil
					}
					if left--; left == -1 {
						return syscall.EIO
					}
					return nil
				}
				if err := r.Settle(november.Unix(), hour, counts()); !errors.Is(err, ErrUnavailable) {
					t.Fatal(err)
				}
				r.mended(t)
				r.settle(t, november.Unix(), counts()...)
				r.settle(t, november.Unix()+hour, counts()...)
				if a := r.account(t, "a"); a.Balance != -30 {
					t.Errorf("balance %d, want -30", a.Balance)
				}
				seen := map[string]int{}
				for rec, err := range r.log.Read(1) {
					if err != nil {
						t.Fatal(err)
					}
					seen[rec.Kind]++
				}
				if seen[inputPeriod] != 2 || seen[inputSettled] != 2 {
					t.Errorf("records %v, want two periods and two results", seen)
				}
			})
		}
	}
}

// TestTailThatCannotBeTakenUp: while the store does not let the records be folded
// that were found, nothing new comes after them.
func TestTailThatCannotBeTakenUp(t *testing.T) {
	quickly(t)
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
	s := &nameless{Store: provenStore{r.store}}
	r.flushLock.Lock()
	r.Store = s
	r.flushLock.Unlock()
	create := Request{Key: "create", Account: "b", Command: &account.CreateAccount{}} // b's number is not remembered
	r.faults = func(place string) error {
		if place == "synced" && !s.fails.Swap(true) {
			return syscall.EIO
		}
		return nil
	}
	if _, err := r.Do(create); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); s.asked.Load() < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the tail is not tried again")
		}
		if err := r.SetPolicy(account.Policy{Purchases: 7}); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("an input beside a tail that is not taken up: %v", err)
		}
	}
	head := r.log.Head().Seq
	s.fails.Store(false)
	r.faults = func(string) error { return nil }
	r.mended(t)
	if got := r.log.Head().Seq; got != head {
		t.Errorf("%d records came in between", got-head)
	}
	if res, err := r.Do(create); err != nil || !res.Repeated || r.account(t, "b").Number != 2 {
		t.Errorf("%+v, %v; %+v", res, err, r.account(t, "b"))
	}
}

// nameless is a store that cannot find accounts for a while.
type nameless struct {
	ledger.Store
	fails atomic.Bool
	asked atomic.Int32
}

func (s *nameless) Number(id string) (uint32, error) {
	if s.fails.Load() {
		s.asked.Add(1)
		return 0, ledger.ErrDamaged
	}
	return s.Store.Number(id)
}

// TestCapInDoubt: what a change of plan told of a lower cap stays until it is known
// whether it happened (D30).
func TestCapInDoubt(t *testing.T) {
	quickly(t)
	for _, place := range []string{"write", "synced"} {
		told := newListener()
		r := &rig{dir: t.TempDir(), config: book, now: november.UnixNano(), watcher: told}
		r.open(t)
		r.must(t, "a", &account.CreateAccount{CreditLimit: "100.00"})
		r.must(t, "a", &account.Subscribe{Instance: "i", Row: "large", Months: 1})
		r.disk.lasts.Store(true)
		r.disk.fail(place)
		before := told.accounts[1]
		if _, err := r.Do(Request{Account: "a", Command: &account.ChangeSubscription{Instance: "i", Row: "small"}}); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		told.mu.Lock()
		if told.accounts[1] != before {
			t.Errorf("%s: the watcher heard of the account while it was in doubt", place)
		}
		told.accounts[1] = nil
		told.mu.Unlock()
		r.disk.place.Store(nil)
		r.mended(t)
		told.mu.Lock()
		if a := told.accounts[1]; a == nil || a.Subscriptions[len(a.Subscriptions)-1].Row != map[string]string{"write": "large", "synced": "small"}[place] {
			t.Errorf("%s: the watcher was told of %+v", place, a)
		}
		told.mu.Unlock()
		r.close(t)
	}
}

// TestBookWhoseRecordFailed: the watcher hears of a price book that turns out to
// have been scheduled.
func TestBookWhoseRecordFailed(t *testing.T) {
	quickly(t)
	told := &bookListener{listener: newListener()}
	r := &rig{dir: t.TempDir(), config: book, now: november.UnixNano(), watcher: told}
	r.open(t)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
	r.disk.fail("synced")
	if err := r.SchedulePriceBook(withBook(t, dearerText), november.Unix()+30*day); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	r.mended(t)
	if told.scheduled.Load() != 1 || len(r.books) != 2 {
		t.Errorf("told %d times of %d books", told.scheduled.Load(), len(r.books)-1)
	}
}

const dearerText = `currency: USD
pay_per_use:
  - operations: [recognition/image-tagging]
    tiers:
      - {price: 0.02}
`

type bookListener struct {
	*listener
	scheduled atomic.Int32
}

func (l *bookListener) BookScheduled() { l.scheduled.Add(1) }

// TestManyCommandsWhileTheJournalFails: clients send each command until it is
// acknowledged; each happens once.
func TestManyCommandsWhileTheJournalFails(t *testing.T) {
	quickly(t)
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	const clients, commands = 4, 40
	r.createMany(t, clients)
	done := make(chan struct{})
	var accepted atomic.Int64
	var chaos, all sync.WaitGroup
	chaos.Go(func() { // again and again, but never before something was accepted since
		for n, before := 0, int64(-1); ; {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
			if now := accepted.Load(); now > before {
				r.disk.fail(journalPlaces[n%len(journalPlaces)])
				n, before = n+1, now
			}
		}
	})
	for c := range clients {
		all.Go(func() {
			for n := range commands {
				req := Request{Key: fmt.Sprint(c, " ", n), Account: fmt.Sprint("a", c), Command: &account.TopUp{Amount: "0.01", Reference: "r"}}
				for {
					_, err := r.Do(req)
					if err == nil {
						accepted.Add(1)
						break
					}
					if !errors.Is(err, ErrUnavailable) {
						t.Error(err)
						return
					}
					time.Sleep(200 * time.Microsecond) // as a client would wait
				}
			}
		})
	}
	all.Wait()
	close(done)
	chaos.Wait()
	r.disk.place.Store(nil)
	r.mended(t)
	for c := range clients {
		if a := r.account(t, fmt.Sprint("a", c)); a.Balance != commands {
			t.Errorf("a%d: balance %d, want %d", c, a.Balance, commands)
		}
	}
}

// TestDiskStaysAway: the journal cannot be opened again for a while, and closing
// the engine does not wait for it.
func TestDiskStaysAway(t *testing.T) {
	quickly(t)
	r := openRig(t, t.TempDir(), november)
	r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
	r.disk.lasts.Store(true)
	r.disk.fail("sync")
	pay := Request{Key: "pay", Account: "a", Command: &account.TopUp{Amount: "1.00", Reference: "r"}}
	for range 5 {
		if _, err := r.Do(pay); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond) // the mender tries meanwhile
	}
	r.disk.place.Store(nil)
	r.mended(t)
	if res, err := r.Do(pay); err != nil || !res.Repeated {
		t.Fatalf("%+v, %v", res, err)
	}
	r.disk.fail("sync")
	if _, err := r.Do(Request{Account: "a", Command: &account.TopUp{Amount: "1.00", Reference: "r"}}); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	r.close(t)
}

// TestStoreIsOpenedAgain after a commit that failed, before or after it took
// effect; nothing that came meanwhile is lost.
func TestStoreIsOpenedAgain(t *testing.T) {
	quickly(t)
	for _, there := range []bool{false, true} {
		t.Run(fmt.Sprint(there), func(t *testing.T) {
			r := openRig(t, t.TempDir(), november)
			defer func() { r.close(t) }()
			s := &unsure{Store: provenStore{r.store}}
			r.flushLock.Lock()
			r.Store = s
			r.flushLock.Unlock()
			for n := range 5 {
				id := fmt.Sprint("a", n)
				r.must(t, id, &account.CreateAccount{CreditLimit: "10.00"})
				s.break_(there)
				if err := r.Flush(); !errors.Is(err, ledger.ErrUnknownOutcome) {
					t.Fatal(err)
				}
				r.mended(t)
				r.must(t, id, &account.TopUp{Amount: "1.00", Reference: "r"})
			}
			if err := r.Flush(); err != nil {
				t.Fatal(err)
			}
			for n := range uint32(5) {
				b, err := r.store.Block(0)
				if err != nil || len(b.Accounts) != 5 || b.Accounts[n].Balance != 100 {
					t.Fatalf("%+v, %v", b, err)
				}
			}
			if s.reopened != 5 {
				t.Errorf("opened again %d times, want 5", s.reopened)
			}
		})
	}
}

// TestStoreThatForgot: a store that comes back without what it had acknowledged
// gets nothing more, or the gap would never be folded; a start folds it.
func TestStoreThatForgot(t *testing.T) {
	for _, itself := range []bool{false, true} {
		t.Run(fmt.Sprintf("it notices itself: %t", itself), func(t *testing.T) { storeThatForgot(t, itself) })
	}
}

func storeThatForgot(t *testing.T, itself bool) {
	quickly(t)
	r := openRig(t, t.TempDir(), november)
	s := &unsure{Store: provenStore{r.store}}
	r.flushLock.Lock()
	r.Store = s
	r.flushLock.Unlock()
	r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	old, err := r.store.Meta()
	if err != nil {
		t.Fatal(err)
	}
	r.must(t, "a", &account.TopUp{Amount: "1.00", Reference: "r"})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.must(t, "a", &account.TopUp{Amount: "1.00", Reference: "r"})
	s.break_(false)
	s.mu.Lock()
	s.forgets, s.notices = &old, itself
	s.mu.Unlock()
	if err := r.Flush(); !errors.Is(err, ledger.ErrUnknownOutcome) {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !errors.Is(r.Flush(), ledger.ErrDamaged); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody notices")
		}
	}
	if _, err := r.Do(Request{Account: "a", Command: &account.TopUp{Amount: "1.00", Reference: "r"}}); !errors.Is(err, ledger.ErrDamaged) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("a command: %v", err)
	}
	if err := r.reopenStore(); !errors.Is(err, ledger.ErrDamaged) {
		t.Errorf("opened once more: %v", err)
	}
	s.mu.Lock()
	if s.reopened != 1 {
		t.Errorf("it was opened again %d times, of which a second one can do nothing", s.reopened)
	}
	s.mu.Unlock()
	r.crash(t)
	r.open(t)
	defer func() { r.close(t) }()
	if a := r.account(t, "a"); a.Balance != 200 {
		t.Errorf("balance %d, want 200", a.Balance)
	}
}

// unsure is a store whose next commit has an unknown outcome.
type unsure struct {
	ledger.Store
	mu       sync.Mutex
	next     bool
	there    bool
	stopped  bool
	reopened int
	forgets  *ledger.Meta // what it says of itself when it is opened again; nil: the truth
	notices  bool         // that it forgot, when it is opened again
}

func (s *unsure) break_(there bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.there = true, there
}

func (s *unsure) Commit(step ledger.Step) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next {
		s.next, s.stopped = false, true
		if s.there {
			if err := s.Store.Commit(step); err != nil {
				return err
			}
		}
	}
	if s.stopped {
		return ledger.ErrUnknownOutcome
	}
	return s.Store.Commit(step)
}

func (s *unsure) Meta() (ledger.Meta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped:
		return ledger.Meta{}, ledger.ErrUnknownOutcome
	case s.reopened > 0 && s.forgets != nil:
		return *s.forgets, nil
	}
	return s.Store.Meta()
}

func (s *unsure) Reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reopened++
	if s.notices {
		return ledger.ErrForgotten
	}
	s.stopped = false
	return nil
}

// TestNoRoomNothingAccepted: below the reserve nothing is recorded, and all goes
// on when there is room again.
func TestNoRoomNothingAccepted(t *testing.T) {
	var full atomic.Bool
	r := &rig{dir: t.TempDir(), config: book, now: november.UnixNano(), room: func() error {
		if full.Load() {
			return ledger.ErrNoSpace
		}
		return nil
	}}
	r.open(t)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
	r.must(t, "a", &account.Subscribe{Instance: "i", Row: "small", Months: 1, Trial: true})
	head := r.log.Head().Seq
	full.Store(true)
	_, command := r.Do(Request{Key: "k", Account: "a", Command: &account.TopUp{Amount: "1.00", Reference: "r"}})
	_, _, image := r.ChangeImages(account.ImageChange{Image: account.Image{Account: 1, Instance: 1}, Kind: account.ImageAdded})
	settle := r.Settle(november.Unix(), hour, []account.Count{payPerUse(1, 10)})
	schedule := r.SchedulePriceBook(withBook(t, dearerText), november.Unix()+30*day)
	month := r.Reach(november.Unix() + 40*day)
	due := r.Due(november.Unix() + 40*day)
	for name, err := range map[string]error{"command": command, "image": image, "settle": settle, "schedule": schedule, "month": month, "due": due} {
		if due == nil && name == "due" { // nothing was due in the hour
			continue
		}
		if !errors.Is(err, ledger.ErrNoSpace) || !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := r.log.Head().Seq; got != head {
		t.Errorf("%d records were written", got-head)
	}
	if err := r.Settle(november.Unix(), hour, nil); err != nil {
		t.Errorf("an empty period needs no room: %v", err)
	}
	full.Store(false)
	r.settle(t, november.Unix()+hour, payPerUse(1, 10))
	if a := r.account(t, "a"); a.Balance != -15 {
		t.Errorf("balance %d, want -15", a.Balance)
	}
}

// TestImagesAreReadBeforeTheyAreRecorded: a store that fails after the record is
// durable leaves no change half made.
func TestImagesAreReadBeforeTheyAreRecorded(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
	r.must(t, "a", &account.Subscribe{Instance: "i", Row: "small", Months: 1, Trial: true})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	s := &blind{Store: provenStore{r.store}, left: 2} // product and picture, once each
	r.flushLock.Lock()
	r.Store = s
	r.flushLock.Unlock()
	images, _, err := r.ChangeImages(account.ImageChange{Image: account.Image{Account: 1, Instance: 1}, Kind: account.ImageAdded})
	if err != nil || images != 1 {
		t.Errorf("%d images, %v", images, err)
	}
}

// blind answers so many questions about images.
type blind struct {
	ledger.Store
	left int
}

func (s *blind) Product(k ledger.ProductKey) (ledger.Product, error) {
	if s.left--; s.left < 0 {
		return ledger.Product{}, ledger.ErrUnknownOutcome
	}
	return s.Store.Product(k)
}

func (s *blind) HasPicture(k ledger.PictureKey) (bool, error) {
	if s.left--; s.left < 0 {
		return false, ledger.ErrUnknownOutcome
	}
	return s.Store.HasPicture(k)
}

// TestEngineWithAFailingJournal drives random inputs while the journal fails at
// random, before or after the bytes reached the disk. Whatever failed is sent
// again; the model, the watcher and a refold agree with the engine.
func TestEngineWithAFailingJournal(t *testing.T) {
	quickly(t)
	smallSteps(t)
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		w := newWorld(rt, dir)
		w.stubborn = true
		defer func() { w.close(rt) }()
		rt.Repeat(map[string]func(*rapid.T){
			"command":  w.command,
			"command2": w.command,
			"repeat":   w.repeat,
			"image":    w.image,
			"settle":   w.settlePeriod,
			"settle 2": w.settlePeriod,
			"sleep":    w.sleep,
			"create":   w.createOne,
			"fail":     func(rt *rapid.T) { w.disk.fail(rapid.SampledFrom(journalPlaces).Draw(rt, "place")) },
			"fail 2":   func(rt *rapid.T) { w.disk.fail(rapid.SampledFrom(journalPlaces).Draw(rt, "place")) },
			"check":    func(rt *rapid.T) { w.calm(rt); w.check(rt) },
			"crash": func(rt *rapid.T) {
				w.calm(rt)
				before := w.inMemory(rt)
				w.crash(rt)
				w.open(rt)
				if after := w.inMemory(rt); !reflect.DeepEqual(before, after) {
					rt.Fatalf("accounts before a crash:\n%q\nand after:\n%q", before, after)
				}
			},
		})
		w.calm(rt)
		w.check(rt)
		accounts := w.Meta().Accounts
		w.survives(rt)
		if got := w.Meta().Accounts; got != accounts {
			rt.Fatalf("%d accounts, and %d after a refold", accounts, got)
		}
	})
}

// calm lets no more failures happen, and waits for the last one to be mended.
func (w *world) calm(t tester) {
	w.disk.place.Store(nil)
	w.mended(t)
}

// createOne opens an account, again if it failed.
func (w *world) createOne(rt *rapid.T) {
	id := fmt.Sprint("new-", len(w.asked))
	key := "create " + id
	w.asked[key] = func() Request { return Request{Key: key, Account: id, Command: &account.CreateAccount{}} }
	res, err := w.do(rt, w.asked[key])
	if err != nil {
		rt.Fatal(err)
	}
	w.answers[key] = res
}
