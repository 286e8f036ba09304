// Package world fills a ledger with many accounts, the way a gateway would: each
// one has money, a key, a package and a subscription, bought by commands; then
// each one calls, and the process is killed in the middle of the hour.
package world

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/caddymodule/service"
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
	Tagging   = "recognition/image-tagging"
	Detection = "recognition/main-object-detection"
	Search    = "search/search"
)

// Zone is the billing zone, and Start when the ledger's clock stands.
const Zone = "Asia/Shanghai"

// Start is in the middle of an hour, and of a month.
var Start = time.Date(2026, 11, 14, 9, 30, 0, 0, time.UTC)

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
	zone, err := time.LoadLocation(Zone)
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

// Call makes one call of each operation for every account, in a shuffled order.
func (w *World) Call(operations ...string) error {
	for _, name := range operations {
		op, ok := w.OperationNumber(name)
		if !ok {
			return fmt.Errorf("no operation %s", name)
		}
		for i := range w.accounts {
			n := i * 7919 % w.accounts // prime to every round number
			k, ok := w.Meter().Identify(meter.Secret, sha256.Sum256([]byte(Secret(n))))
			if !ok {
				return fmt.Errorf("the key of account %d is not known", n)
			}
			instance := ""
			if name == Search {
				instance = "shop"
			}
			h, v := w.Meter().Admit(meter.Call{Key: k, Operation: op, Instance: instance})
			if v.Reason != 0 {
				return fmt.Errorf("account %d, %s: refused: %s", n, name, v.Reason)
			}
			w.Meter().Post(&h)
		}
	}
	return nil
}
