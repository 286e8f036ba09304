package billing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger/badgerstore"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
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
`

var book, bookErr = pricebook.Parse("book.yaml", []byte(bookText))

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
	dir   string
	now   int64
	store *badgerstore.Store
	log   *journal.Journal
}

type fataler interface{ Fatal(...any) }

func openRig(t fataler, dir string, now time.Time) *rig {
	r := &rig{dir: dir, now: now.UnixNano()}
	r.open(t)
	return r
}

func (r *rig) open(t fataler) {
	r.openFiles(t)
	var err error
	r.Engine, err = Open(Config{Store: r.store, Journal: r.log, UsageDir: filepath.Join(r.dir, "usage"), Node: "n1",
		Now: func() int64 { return r.now }, Currency: book.Currency, Zone: time.UTC})
	if err == nil {
		_, err = r.SetPriceBook(book)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) openFiles(t fataler) {
	if bookErr != nil {
		t.Fatal(bookErr)
	}
	var err error
	must := func() {
		if err != nil {
			t.Fatal(err)
		}
	}
	err = os.MkdirAll(filepath.Join(r.dir, "usage"), 0o700)
	must()
	r.store, err = badgerstore.Open(badgerstore.Config{Dir: filepath.Join(r.dir, "badger")})
	must()
	r.log, _, err = journal.Open(journal.Config{Dir: filepath.Join(r.dir, "journal"), SegmentSize: 1 << 20})
	must()
}

func (r *rig) close(t fataler) {
	for _, c := range []func() error{r.Engine.Close, r.log.Close, r.store.Close} {
		if err := c(); err != nil {
			t.Fatal(err)
		}
	}
}

// crash closes the files without folding what is in memory, as a kill does.
func (r *rig) crash(t fataler) {
	close(r.stop)
	r.stopped.Wait()
	for _, c := range []func() error{r.log.Close, r.store.Close} {
		if err := c(); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *rig) must(t fataler, id string, cmd account.Command) {
	if _, err := r.Do(Request{Account: id, Command: cmd}); err != nil {
		t.Fatal(cmd.Type(), err)
	}
}

// modelAccount is what an account has to be, kept the simple way: the charge of
// a month is recomputed from all its calls every time.
type modelAccount struct {
	movements money.Amount
	calls     map[rating.Month]int64
}

func (m *modelAccount) balance(t fataler) money.Amount {
	op, _ := book.Operation("recognition/image-tagging")
	b := m.movements
	for _, calls := range m.calls {
		charge, err := rating.Charge(op, book.Currency, calls)
		if err != nil {
			t.Fatal(err)
		}
		b -= charge
	}
	return b
}

// TestEngineAgainstModel drives random commands and settlements, with crashes,
// restarts and refolds in between: balances are those of the model, and every
// statement adds up.
func TestEngineAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		start := time.Date(2026, 12, 31, 20, 0, 0, 0, time.UTC)
		r := openRig(rt, dir, start)
		defer func() { r.close(rt) }()
		hour := start.Unix()
		models := map[string]*modelAccount{}
		var ids []string
		pick := func() string { return rapid.SampledFrom(ids).Draw(rt, "account") }
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				id := fmt.Sprintf("a%d", len(ids))
				r.must(rt, id, &account.CreateAccount{Account: id, CreditLimit: "1000.00"})
				ids, models[id] = append(ids, id), &modelAccount{calls: map[rating.Month]int64{}}
			},
			"top up": func(rt *rapid.T) {
				if len(ids) == 0 {
					rt.Skip()
				}
				id, cents := pick(), rapid.Int64Range(1, 100_00).Draw(rt, "cents")
				r.must(rt, id, &account.TopUp{Amount: book.Currency.Format(money.Amount(cents)), Reference: "r"})
				models[id].movements += money.Amount(cents)
			},
			"buy": func(rt *rapid.T) {
				if len(ids) == 0 {
					rt.Skip()
				}
				id := pick()
				_, err := r.Do(Request{Account: id, Command: &account.BuyPackage{Package: "tagging-50"}})
				var no *account.Error
				if err != nil && !errors.As(err, &no) {
					rt.Fatal(err)
				}
				if err == nil {
					models[id].movements -= 50
				}
			},
			"settle": func(rt *rapid.T) {
				var counts []account.Count
				month := rating.MonthOf(hour, time.UTC)
				for _, id := range ids {
					a, err := r.Account(id)
					if err != nil {
						rt.Fatal(err)
					}
					calls := rapid.Int64Range(0, 700).Draw(rt, "calls")
					counts = append(counts,
						account.Count{Line: account.Line{Account: a.Number, Operation: 1, Kind: account.PayPerUse}, Calls: uint64(calls)},
						account.Count{Line: account.Line{Account: a.Number, Operation: 1, Kind: account.RateLimited}, Calls: 3})
					models[id].calls[month] += calls
				}
				if err := r.Settle(hour, 3600, counts); err != nil {
					rt.Fatal(err)
				}
				hour += 3600
				r.now = max(r.now, hour*1e9)
			},
			"restart": func(rt *rapid.T) { r.close(rt); r.open(rt) },
			"crash":   func(rt *rapid.T) { r.crash(rt); r.open(rt) },
			"refold": func(rt *rapid.T) {
				r.close(rt)
				if err := os.RemoveAll(filepath.Join(dir, "badger")); err != nil {
					rt.Fatal(err)
				}
				r.open(rt)
			},
			"": func(rt *rapid.T) {
				for _, id := range ids {
					a, err := r.Account(id)
					if err != nil {
						rt.Fatal(err)
					}
					if want := models[id].balance(rt); a.Balance != want {
						rt.Fatalf("%s has %d, the model %d", id, a.Balance, want)
					}
					for month := range models[id].calls {
						if _, err := r.Statement(id, month); err != nil {
							rt.Fatal(err)
						}
					}
				}
			},
		})
	})
}

// TestCommandsOfOneAccountAreSerialised: concurrent purchases never spend more
// than there is, and one idempotency key is one top-up.
func TestCommandsOfOneAccountAreSerialised(t *testing.T) {
	r := openRig(t, t.TempDir(), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	defer r.close(t)
	r.must(t, "acme", &account.CreateAccount{Account: "acme"})
	var all sync.WaitGroup
	var mu sync.Mutex
	bought, repeated := 0, 0
	for range 50 {
		all.Go(func() {
			res, err := r.Do(Request{Key: "once", Account: "acme", Command: &account.TopUp{Amount: "5.00", Reference: "r"}})
			if err != nil {
				t.Error(err)
			}
			_, err = r.Do(Request{Account: "acme", Command: &account.BuyPackage{Package: "tagging-50"}})
			mu.Lock()
			defer mu.Unlock()
			if res.Repeated {
				repeated++
			}
			var no *account.Error
			switch {
			case err == nil:
				bought++
			case !errors.As(err, &no) || no.Why != account.Unpaid:
				t.Error(err)
			}
		})
	}
	all.Wait()
	a, err := r.Account("acme")
	if err != nil {
		t.Fatal(err)
	}
	if bought != 10 || repeated != 49 || a.Balance != 0 {
		t.Errorf("%d packages bought of 10, %d top-ups repeated of 49, balance %d", bought, repeated, a.Balance)
	}
}

// TestKeysAreOneAccounts: a key that an account has is refused to others until
// it is revoked there.
func TestKeysAreOneAccounts(t *testing.T) {
	r := openRig(t, t.TempDir(), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	defer func() { r.close(t) }()
	hash := sha256.Sum256([]byte("secret"))
	add := func(id string) error {
		_, err := r.Do(Request{Account: id, Command: &account.AddKey{Key: "k", Kind: account.SecretKey, Hash: hex.EncodeToString(hash[:])}})
		return err
	}
	for _, id := range []string{"a", "b"} {
		r.must(t, id, &account.CreateAccount{Account: id})
	}
	for range 2 {
		if err := add("a"); err != nil {
			t.Fatal(err)
		}
		r.crash(t)
		r.open(t)
		var no *account.Error
		if err := add("b"); !errors.As(err, &no) || no.Why != account.Conflict {
			t.Fatalf("another account got the key: %v", err)
		}
		r.must(t, "a", &account.RevokeKey{Key: "k"})
	}
	if err := add("b"); err != nil {
		t.Fatal(err)
	}
}

// TestSettledPeriodIsRefusedTwice (D6).
func TestSettledPeriodIsRefusedTwice(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r := openRig(t, t.TempDir(), start)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{Account: "a", CreditLimit: "10.00"})
	counts := []account.Count{{Line: account.Line{Account: 1, Operation: 1, Kind: account.PayPerUse}, Calls: 10}}
	if err := r.Settle(start.Unix(), 3600, counts); err != nil {
		t.Fatal(err)
	}
	r.crash(t)
	r.open(t)
	if err := r.Settle(start.Unix(), 3600, counts); err == nil {
		t.Error("an hour was settled twice")
	}
	if a, _ := r.Account("a"); a.Balance != -15 {
		t.Errorf("balance %d, want -15", a.Balance)
	}
}
