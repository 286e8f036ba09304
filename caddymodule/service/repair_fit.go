package service

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/badgerstore"
	"github.com/tallygate/tallygate/meter/tally"
)

// fitCounters leaves out of the open counters what the new database does not know:
// calls of accounts, operations and packages that came after the cut of a journal.
// Their numbers are given anew, so that others would be billed for them; until then
// the period could not be settled.
func (r *repair) fitCounters() (err error) {
	paths, err := tally.List(r.path("tally"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	store, err := badgerstore.Open(badgerstore.Config{Dir: r.path("badger.new"), Logger: r.Logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	k, err := newKnown(store)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if slices.Contains(r.away, filepath.Base(path)) {
			continue
		}
		if err := errors.Join(r.fitCounter(path, k), k.err); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// fitCounter keeps the counters as they were beside, where any is left out.
func (r *repair) fitCounter(path string, k *known) error {
	if n, err := r.drop(path, k, true); err != nil || n == 0 {
		return err
	}
	kept := r.keptAs(path)
	stem, keptStem := strings.TrimSuffix(path, ".tally"), strings.Replace(kept, ".tally", "", 1)
	for from, to := range map[string]string{path: kept, stem + ".side0": keptStem + ".side0", stem + ".side1": keptStem + ".side1"} {
		err := copyFile(from, to)
		if err == nil {
			err = syncFile(to)
		}
		if err != nil && !(errors.Is(err, fs.ErrNotExist) && from != path) {
			return err
		}
	}
	if err := durable.SyncDir(filepath.Dir(path)); err != nil {
		return err
	}
	r.kept = append(r.kept, kept)
	failpoint.Hit("repair/fitting")
	n, err := r.drop(path, k, false)
	r.dropped = append(r.dropped, Dropped{filepath.Join("tally", filepath.Base(path)), n})
	return err
}

// drop returns how many calls do not fit, of a copy or for good.
func (r *repair) drop(path string, k *known, copied bool) (calls uint64, err error) {
	drop := func(path string) error {
		t, _, err := tally.Open(tally.Config{SyncInterval: -1}, path)
		if err != nil {
			return err
		}
		dropped, err := t.Drop(k.fits)
		for _, c := range dropped {
			calls += c.Calls
		}
		return errors.Join(err, t.Close())
	}
	if copied {
		return calls, r.onCopy(path, drop)
	}
	return calls, drop(path)
}

// Dropped is what a repair left out of counters.
type Dropped struct {
	File  string `json:"file"` // below the ledger's folder
	Calls uint64 `json:"calls"`
}

// known is what a database knows.
type known struct {
	store  *badgerstore.Store
	meta   ledger.Meta
	blocks map[uint32]ledger.Block
	err    error // of reading
}

func newKnown(store *badgerstore.Store) (*known, error) {
	meta, err := store.Meta()
	if errors.Is(err, ledger.ErrNotFound) {
		err = nil
	}
	return &known{store: store, meta: meta, blocks: map[uint32]ledger.Block{}}, err
}

func (k *known) fits(l account.Line) bool {
	if l.Operation != 0 && int(l.Operation) >= len(k.meta.Operations) {
		return false
	}
	if l.Account == 0 {
		return true
	}
	number := ledger.BlockOf(l.Account)
	b, ok := k.blocks[number]
	if !ok && k.err == nil {
		b, k.err = k.store.Block(number)
		k.blocks[number] = b
	}
	i := slices.IndexFunc(b.Accounts, func(a *account.Account) bool { return a.Number == l.Account })
	return k.err != nil || i >= 0 && (l.Kind != account.Package || l.Ref <= b.Accounts[i].PackagesBought)
}
