// Package rig is a billing engine on real files, journal and ledger, for
// benchmarks, with a clock that stands where it is put.
package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/ledger/badgerstore"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Rig is an open engine. Its billing zone is UTC.
type Rig struct {
	*billing.Engine
	Dir     string
	Store   *badgerstore.Store
	Journal *journal.Journal
	now     atomic.Int64
}

// Prices is a price book of ten pay-per-use operations in four tiers, and a
// package of the first.
var Prices = []byte(`currency: USD
pay_per_use:
  - operations: [recognition/op0, recognition/op1, recognition/op2, recognition/op3, recognition/op4,
      recognition/op5, recognition/op6, recognition/op7, recognition/op8, recognition/op9]
    free_per_month: 1_000
    tiers:
      - {up_to: 10_000,    price: 0.0030}
      - {up_to: 100_000,   price: 0.0025}
      - {up_to: 1_000_000, price: 0.0018}
      - {                  price: 0.0010}
packages:
  - {id: calls-100k-1y, operation: recognition/op0, calls: 100_000, valid: 1y, price: 190.00}
`)

// Open opens the ledger in a folder, or begins one at an instant.
func Open(dir string, at time.Time) (r *Rig, err error) {
	r = &Rig{Dir: dir}
	r.Set(at)
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	book, err := pricebook.Parse("prices", Prices)
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "usage"), 0o700)
	}
	if err != nil {
		return r, err
	}
	if r.Store, err = badgerstore.Open(badgerstore.Config{Dir: filepath.Join(dir, "badger")}); err != nil {
		return r, err
	}
	if r.Journal, _, err = journal.Open(journal.Config{Dir: filepath.Join(dir, "journal")}); err != nil {
		return r, err
	}
	engine, err := billing.Open(billing.Config{Store: r.Store, Journal: r.Journal, UsageDir: filepath.Join(dir, "usage"), Node: "n1",
		Now: r.now.Load, Currency: book.Currency, Zone: time.UTC})
	if err != nil {
		return r, err
	}
	r.Engine = engine
	if _, err = r.SetPriceBook(book); err != nil {
		return r, err
	}
	return r, r.SetPolicy(account.DefaultPolicy)
}

// Set puts the clock.
func (r *Rig) Set(at time.Time) { r.now.Store(at.UnixNano()) }

// Now is where the clock stands.
func (r *Rig) Now() time.Time { return time.Unix(0, r.now.Load()).UTC() }

// Close folds what is in memory and closes all that is open.
func (r *Rig) Close() error {
	var errs []error
	if r.Engine != nil {
		errs = append(errs, r.Engine.Close())
	}
	if r.Journal != nil {
		errs = append(errs, r.Journal.Close())
	}
	if r.Store != nil {
		errs = append(errs, r.Store.Close())
	}
	return errors.Join(errs...)
}

// ID is how the account with a number is called, from 0.
func ID(i int) string { return fmt.Sprintf("account-%d", i) }

// clients is how many commands are under way at once where their time does not
// matter.
const clients = 64

// Each does a command to n accounts.
func (r *Rig) Each(n int, command func(i int) account.Command) error {
	var all errgroup.Group
	all.SetLimit(clients)
	for i := range n {
		all.Go(func() error {
			_, err := r.Do(billing.Request{Account: ID(i), Command: command(i)})
			return err
		})
	}
	return all.Wait()
}

// Create opens n accounts with a generous credit limit.
func (r *Rig) Create(n int) error {
	return r.Each(n, func(int) account.Command { return &account.CreateAccount{CreditLimit: "1000000.00"} })
}
