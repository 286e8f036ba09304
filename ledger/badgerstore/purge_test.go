package badgerstore

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

func product(number, instance uint32, name byte) ledger.ProductKey {
	return ledger.ProductKey{Account: number, Instance: instance, Product: [16]byte{name}}
}

// imagesOf is a step with 3 pictures in a generation of a product.
func imagesOf(k ledger.ProductKey, generation uint64) ledger.Step {
	s := ledger.Step{Products: map[ledger.ProductKey]ledger.Product{k: {Generation: generation, Pictures: 3}}, Pictures: map[ledger.PictureKey]bool{}}
	for p := range byte(3) {
		s.Pictures[ledger.PictureKey{ProductKey: k, Generation: generation, Picture: [16]byte{p}}] = true
	}
	return s
}

// imageKeys lists all keys of products and pictures.
func imageKeys(t *testing.T, s *Store) (keys []string) {
	t.Helper()
	err := s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Seek([]byte(productPrefix)); it.Valid() && string(it.Item().Key()) < "z"; it.Next() {
			keys = append(keys, string(it.Item().KeyCopy(nil)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// withGarbage is a ledger with images that are seen and such that are not.
func withGarbage(t *testing.T, s *Store) (seen []string) {
	t.Helper()
	a := &account.Account{Number: 1, ID: "a", Instances: []account.Instance{{Name: "live", ID: 2}, {Name: "released", ID: 3, Released: 7}}}
	steps := []ledger.Step{
		{Blocks: []ledger.Block{{Number: 0, Accounts: []*account.Account{a}}}},
		imagesOf(product(1, 2, 'd'), 0), imagesOf(product(1, 2, 'd'), 5), // deleted twice since
		imagesOf(product(1, 1, 'p'), 0), imagesOf(product(1, 3, 'p'), 4), // of an instance that was bought anew, of a released one
	}
	for _, s2 := range steps {
		if err := s.Commit(s2); err != nil {
			t.Fatal(err)
		}
	}
	before := imageKeys(t, s)
	live := []ledger.Step{imagesOf(product(1, 2, 'd'), 9), imagesOf(product(1, 2, 'p'), 0),
		imagesOf(product(2, 1, 'p'), 0), imagesOf(product(900, 1, 'p'), 0)} // accounts that the ledger does not have
	for _, s2 := range live {
		if err := s.Commit(s2); err != nil {
			t.Fatal(err)
		}
	}
	seen = slices.DeleteFunc(imageKeys(t, s), func(k string) bool { return slices.Contains(before, k) })
	return append([]string{string(productKey(product(1, 2, 'd')))}, seen...)
}

// TestPurge takes away what nobody sees and nothing else, a few keys at a time.
func TestPurge(t *testing.T) {
	t.Parallel()
	for _, keys := range []int{1, 2, 3, 5, 100} {
		s := mustOpen(t, Config{Dir: t.TempDir()})
		<-s.verified
		time.Sleep(10 * time.Millisecond) // the purge at open finds nothing
		seen := withGarbage(t, s)
		all, deleted, goes := len(imageKeys(t, s)), 0, 1
		for from := []byte(nil); ; goes++ {
			next, n, err := s.purge(from, keys)
			if err != nil || n > keys {
				t.Fatalf("%d deleted, %v", n, err)
			}
			if deleted += n; next == nil {
				break
			}
			from = next
		}
		left := imageKeys(t, s)
		slices.Sort(seen)
		slices.Sort(left)
		if !slices.Equal(left, seen) || deleted != all-len(seen) || goes != (all+keys-1)/keys {
			t.Errorf("%d keys at a time: %d of %d deleted in %d goes, %q left, want %q", keys, deleted, all, goes, left, seen)
		}
		if _, n, err := s.purge(nil, 100); n != 0 || err != nil {
			t.Errorf("a second walk deletes %d, %v", n, err)
		}
	}
}

// TestPurgeAtOpen: the walk goes on in the background, and reads stay right.
func TestPurgeAtOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir})
	seen := withGarbage(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, Config{Dir: dir})
	for range 500 {
		images := 0
		for _, err := range s.Pictures(1, 2) {
			if err != nil {
				t.Fatal(err)
			}
			images++
		}
		if images != 6 {
			t.Fatalf("%d images", images)
		}
		if len(imageKeys(t, s)) == len(seen) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("nothing is purged")
}

// TestPurgeOnAFullDisk deletes nothing, and says why.
func TestPurgeOnAFullDisk(t *testing.T) {
	t.Parallel()
	full := false
	s := mustOpen(t, Config{Dir: t.TempDir(), free: func(string) (uint64, error) {
		if full {
			return 0, nil
		}
		return 1 << 40, nil
	}})
	withGarbage(t, s)
	all := len(imageKeys(t, s))
	full = true
	if _, n, err := s.purge(nil, 100); n != 0 || !errors.Is(err, ledger.ErrNoSpace) || len(imageKeys(t, s)) != all {
		t.Errorf("%d deleted, %v", n, err)
	}
}
