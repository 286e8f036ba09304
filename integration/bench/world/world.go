// Package world fills a ledger with many accounts, the way a gateway would: each
// one has money, a key, a package and a subscription, bought by commands; then
// each one calls, and the process is killed in the middle of the hour.
package world

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/caddymodule/service"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/meter"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Book prices what the accounts call. A package pays for tagging, detection is
// paid call by call, a subscription pays for searches.
const Book = `currency: USD
pay_per_use:
  - operations: [recognition/image-tagging, recognition/main-object-detection]
    free_per_month: 0
    tiers: [{up_to: 10_000, price: 0.0030}, {price: 0.0025}]
packages:
  - {id: tagging-10k, operation: recognition/image-tagging, calls: 10_000, valid: 1y, price: 24.00}
subscriptions:
  - service: search
    operations: {search/search: search, search/add: add, search/delete: delete}
    delete_qps: 20
    rows: [{id: s100k, images: 100_000, qps: 5, price: 300.00}]
`

// Operations that the accounts call.
const (
	Tagging   = "recognition/image-tagging"         // the package pays
	Detection = "recognition/main-object-detection" // paid call by call
)

// Zone is the billing zone, and Start when the ledger's clock stands.
const Zone = "Asia/Shanghai"

// Start is when the ledger's clock stands: the first hour of a month.
var Start = time.Date(2026, 11, 1, 0, 30, 0, 0, zone)

var zone = func() *time.Location {
	z, err := time.LoadLocation(Zone)
	if err != nil {
		panic(err)
	}
	return z
}()

// Node is the gateway's name in the ledger.
const Node = "bench"

// World is an open ledger.
type World struct {
	*service.Service
	accounts int
}

// Open opens, or creates, a test ledger in a folder.
func Open(dir string, accounts int, log *slog.Logger) (*World, error) {
	book, err := pricebook.Parse("book.yaml", []byte(Book))
	if err != nil {
		return nil, err
	}
	s, err := service.Open(service.Config{Dir: filepath.Join(dir, "ledger"), Node: Node, Zone: zone, Test: true, TestStart: Start,
		Settings: service.Settings{Book: book, Policy: account.Policy{Law: account.Law{Grace: 15 * 86400, Retention: 15 * 86400}, Purchases: 1},
			FlushInterval: time.Hour, SealWait: time.Minute},
		Logger: log})
	if err != nil {
		return nil, err
	}
	return &World{s, accounts}, nil
}

// Name is the id of the nth account, from 0.
func Name(n int) string { return fmt.Sprintf("acct-%07d", n) }

// Secret is its key.
func Secret(n int) string { return fmt.Sprintf("tg_the-demonstration-key-of-account-%07d", n) }

// clients is how many commands are under way at once: they share their syncs.
const clients = 64

// Fill opens the accounts that are missing, and calls progress now and then.
func (w *World) Fill(progress func(done int)) error {
	var next, done atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for failed.Load() == nil {
				n := int(next.Add(1) - 1)
				if n >= w.accounts {
					return
				}
				if err := w.openAccount(n); err != nil {
					err = fmt.Errorf("account %d: %w", n, err)
					failed.Store(&err)
				}
				if d := done.Add(1); d%100_000 == 0 {
					progress(int(d))
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return w.Engine().Flush()
}

func (w *World) openAccount(n int) error {
	hash := sha256.Sum256([]byte(Secret(n)))
	for _, cmd := range []account.Command{
		&account.CreateAccount{},
		&account.AddKey{Key: "k1", Kind: account.SecretKey, Hash: hex.EncodeToString(hash[:])},
		&account.TopUp{Amount: "1000.00", Reference: "wire"},
		&account.BuyPackage{Package: "tagging-10k"},
		&account.Subscribe{Instance: "shop", Row: "s100k", Months: 1},
	} {
		if _, err := w.Engine().Do(billing.Request{Account: Name(n), Command: cmd}); err != nil {
			return fmt.Errorf("%s: %w", cmd.Type(), err)
		}
	}
	return nil
}

// tenths is how many parts the accounts are divided into by pass.
const tenths = 10

// Call makes one call of each operation for every account in a part, out of so
// many, in a shuffled order.
func (w *World) Call(part, parts int, operations ...string) error {
	for _, name := range operations {
		for i := range w.accounts {
			n := i * 7919 % w.accounts // prime to every round number
			if n*parts/w.accounts != part {
				continue
			}
			if err := w.call(n, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// callFirst calls for the accounts of the first block, unless they are in the part
// that has called.
func (w *World) callFirst(part int) error {
	if part == 0 {
		return nil
	}
	for n := range min(w.accounts, ledger.BlockSize) {
		if err := errors.Join(w.call(n, Tagging), w.call(n, Detection)); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) call(n int, operation string) error {
	op, ok := w.OperationNumber(operation)
	if !ok {
		return fmt.Errorf("no operation %s", operation)
	}
	k, ok := w.Meter().Identify(meter.Secret, sha256.Sum256([]byte(Secret(n))))
	if !ok {
		return fmt.Errorf("the key of account %d is not known", n)
	}
	h, v := w.Meter().Admit(meter.Call{Key: k, Operation: op})
	if v.Reason != 0 {
		return fmt.Errorf("account %d, %s: refused: %s", n, operation, v.Reason)
	}
	w.Meter().Post(&h)
	return nil
}
