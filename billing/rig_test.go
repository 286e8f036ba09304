package billing

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/badgerstore"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/pricebook"
)

const bookText = `currency: USD
pay_per_use:
  - operations: [recognition/image-tagging]
    free_per_month: 10
    tiers:
      - {up_to: 100, price: 0.0151}
      - {up_to: 1_000, price: 0.0107}
      - {price: 0.0033}
packages:
  - {id: tagging-50, operation: recognition/image-tagging, calls: 50, valid: 1mo, price: 0.50}
subscriptions:
  - service: search
    operations: {search/search: search, search/add: add, search/delete: delete}
    delete_qps: 20
    rows:
      - {id: small, images: 3, qps: 1, price: 3.00, trial: true}
      - {id: large, images: 1_000_000, qps: 5, price: 8.01}
`

var book, bookErr = pricebook.Parse("book.yaml", []byte(bookText))

var november = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

const (
	hour = int64(3600)
	day  = 24 * hour
)

// TestMain keeps the model test, which opens real files at every step, to a few
// seconds; -rapid.checks asks for more.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("20"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// rig is an engine on real files, with a clock of its own.
type rig struct {
	*Engine
	dir     string
	now     int64
	store   *badgerstore.Store
	log     *journal.Journal
	watcher Watcher         // may be nil
	config  *pricebook.Book // what the configuration names
	room    func() error    // may be nil
	disk    disk            // of the journal
	faults  func(place string) error
	segment int64 // size of the journal's segments; 0 = 1 MiB
}

// tester is what a *testing.T and a *rapid.T have in common.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Error(...any)
	Errorf(string, ...any)
}

func openRig(t tester, dir string, now time.Time) *rig {
	r := &rig{dir: dir, now: now.UnixNano(), config: book}
	r.open(t)
	return r
}

func (r *rig) open(t tester) {
	t.Helper()
	r.openFiles(t)
	r.openEngine(t)
	if err := r.LoadAccounts(func(*account.Account) {}); err != nil { // as a gateway does
		t.Fatal(err)
	}
	if _, err := r.SetPriceBook(r.config); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) openEngine(t tester) {
	t.Helper()
	var store ledger.Store = provenStore{r.store}
	if _, timed := t.(*testing.B); timed {
		store = r.store
	}
	var err error
	r.Engine, err = Open(Config{Store: store, Journal: r.log, UsageDir: filepath.Join(r.dir, "usage"), Node: "n1",
		Now: func() int64 { return r.now }, Currency: book.Currency, Zone: time.UTC, Watcher: r.watcher, Room: r.room, Paced: true})
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) openFiles(t tester) {
	t.Helper()
	if bookErr != nil {
		t.Fatal(bookErr)
	}
	err := os.MkdirAll(filepath.Join(r.dir, "usage"), 0o700)
	if err == nil {
		r.store, err = badgerstore.Open(badgerstore.Config{Dir: filepath.Join(r.dir, "badger")})
	}
	if err == nil {
		r.log, _, err = journal.Open(journal.Config{Dir: filepath.Join(r.dir, "journal"), SegmentSize: cmp.Or(r.segment, 1<<20), Fault: r.fault})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// fault is a failure of the journal's disk.
func (r *rig) fault(place string) error {
	if r.faults != nil {
		return r.faults(place)
	}
	return r.disk.fault(place)
}

func (r *rig) close(t tester) {
	t.Helper()
	for _, c := range []func() error{r.Engine.Close, r.log.Close, r.store.Close} {
		if err := c(); err != nil {
			t.Fatal(err)
		}
	}
}

// crash closes the files without folding what is in memory, as a kill does.
func (r *rig) crash(t tester) {
	t.Helper()
	close(r.stop)
	r.stopped.Wait()
	for _, c := range []func() error{r.log.Close, r.store.Close} {
		if err := c(); err != nil {
			t.Fatal(err)
		}
	}
}

// loseLedger throws the closed ledger away: the next open makes it again from
// the journal and the sealed files.
func (r *rig) loseLedger(t tester) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(r.dir, "badger")); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) must(t tester, id string, cmd account.Command) Result {
	t.Helper()
	res, err := r.Do(Request{Account: id, Command: cmd})
	if err != nil {
		t.Fatal(cmd.Type(), err)
	}
	return res
}

// refused fails unless the engine says no for a reason.
func (r *rig) refused(t tester, id string, cmd account.Command, why account.Why) {
	t.Helper()
	_, err := r.Do(Request{Account: id, Command: cmd})
	if no := new(account.Error); !errors.As(err, &no) || no.Why != why {
		t.Fatalf("%s: %v, want a refusal of kind %d", cmd.Type(), err, why)
	}
}

func (r *rig) account(t tester, id string) *account.Account {
	t.Helper()
	a, err := r.Account(id)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (r *rig) settle(t tester, start int64, counts ...account.Count) {
	t.Helper()
	if err := r.Settle(start, hour, counts); err != nil {
		t.Fatal(err)
	}
}

// live lets the time pass until an instant (Unix seconds), in which nobody calls
// anything, as the service does: what is over is settled, then what is due
// happens.
func (r *rig) live(t tester, until int64) {
	t.Helper()
	r.now = max(r.now, until*1e9)
	if err := r.Reach(rating.HourStart(until, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if err := r.Due(until); err != nil {
		t.Fatal(err)
	}
}

// open but not applied: a period that is in the journal and in no block.
func (r *rig) appendPeriod(t tester, start int64, counts ...account.Count) {
	t.Helper()
	r.settleLock.Lock()
	defer r.settleLock.Unlock()
	in, err := r.seal(start, hour, counts, account.Shortfall{})
	if err == nil {
		err = r.append(inputPeriod, in)
	}
	if r.sealed = nil; err != nil {
		t.Fatal(err)
	}
}

func (r *rig) events(t tester, id string) []account.Event {
	t.Helper()
	events, err := r.Events(id, 0)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func kinds(events []account.Event, wanted ...account.EventKind) (found []account.EventKind) {
	for _, v := range events {
		for _, k := range wanted {
			if v.Kind == k {
				found = append(found, k)
			}
		}
	}
	return found
}

// createMany opens n accounts at once, with a generous credit limit.
func (r *rig) createMany(t tester, n int) {
	t.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if _, err := r.Do(Request{Account: fmt.Sprintf("a%d", i), Command: &account.CreateAccount{CreditLimit: "1000.00"}}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// throughLife checks what is to hold wherever it is looked up: in memory, in the ledger,
// after a crash, and in a ledger that is folded again.
func (r *rig) throughLife(t tester, check func()) {
	t.Helper()
	check()
	for range 3 {
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
		check()
	}
	r.crash(t)
	r.open(t)
	check()
	r.survives(t)
	check()
}

// numbered is the account with a number.
func (r *rig) numbered(t tester, number uint32) string {
	t.Helper()
	found := ""
	err := r.EachAccount(func(a *account.Account) bool {
		if a.Number == number {
			found = a.ID
		}
		return found == ""
	})
	if err != nil || found == "" {
		t.Fatalf("account %d: %q, %v", number, found, err)
	}
	return found
}

func payPerUse(number uint32, calls uint64) account.Count {
	return account.Count{Line: account.Line{Account: number, Operation: 1, Kind: account.PayPerUse}, Calls: calls}
}
