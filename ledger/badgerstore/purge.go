package badgerstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/ledger"
)

// Deleting a product, or releasing an instance, takes one write however many
// pictures there are: nobody sees them any more. What that leaves behind is
// purged at leisure, in a walk over all products and pictures that looks at few
// keys at a time and begins anew at each open. What nobody sees stays unseen, so
// it does not matter what is committed between looking and deleting.
const (
	purgeKeys  = 4096 // that are looked at in one go
	purgePause = time.Second
	purgeRest  = time.Hour // between two walks
)

// purgeLoop ends with Close.
func (s *Store) purgeLoop() {
	<-s.verified
	var from []byte
	for {
		pause := purgePause
		next, _, err := s.purge(from, purgeKeys)
		if err != nil && !errors.Is(err, ledger.ErrClosed) {
			s.cfg.Logger.Debug("purging images that nobody sees", "dir", s.cfg.Dir, "error", err)
		}
		if from = next; next == nil {
			pause = purgeRest
		}
		select {
		case <-s.closing:
			return
		case <-time.After(pause):
		}
	}
}

// purge looks at some keys from one on and deletes those that nobody sees. It
// returns where to go on, nil at the end and after an error.
func (s *Store) purge(from []byte, keys int) (next []byte, deleted int, err error) {
	dead, next, err := s.unseen(from, keys)
	if err != nil || len(dead) == 0 {
		return next, 0, err
	}
	err = s.transact(func(w *writer) {
		for _, key := range dead {
			w.delete(key)
		}
	})
	if err != nil {
		return nil, 0, err
	}
	return next, len(dead), nil
}

func (s *Store) unseen(from []byte, keys int) (dead [][]byte, next []byte, err error) {
	read, err := s.begin()
	if err != nil {
		return nil, nil, err
	}
	defer s.end(read)
	defer caught(&err)
	o := badger.DefaultIteratorOptions
	o.PrefetchValues = false
	it := read.txn.NewIterator(o)
	defer it.Close()
	judge := imageJudge{txn: read.txn}
	for it.Seek([]byte(max(string(from), productPrefix))); it.Valid(); it.Next() {
		key := it.Item().KeyCopy(nil)
		if !bytes.HasPrefix(key, []byte(productPrefix)) && !bytes.HasPrefix(key, []byte(picturePrefix)) {
			return dead, nil, nil
		}
		if keys--; keys < 0 {
			return dead, key, nil
		}
		unseen, err := judge.unseen(key)
		if err != nil {
			return nil, nil, err
		}
		if unseen {
			dead = append(dead, key)
		}
	}
	return dead, nil, nil
}

// imageJudge tells which keys of products and pictures nobody sees. Keys come in
// order, so it remembers what the last one was of.
type imageJudge struct {
	txn        *badger.Txn
	product    []byte // key of product
	generation uint64
	instance   []byte // account and instance
	gone       bool
}

const instanceBytes, productBytes = 4 + 4, 4 + 4 + 16

func (j *imageJudge) unseen(key []byte) (bool, error) {
	of := key[len(productPrefix):]
	if instance := of[:instanceBytes]; !bytes.Equal(instance, j.instance) {
		gone, err := j.released(binary.BigEndian.Uint32(instance), binary.BigEndian.Uint32(instance[4:]))
		if err != nil {
			return false, err
		}
		j.instance, j.gone = instance, gone
	}
	if j.gone || bytes.HasPrefix(key, []byte(productPrefix)) {
		return j.gone, nil
	}
	if product := of[:productBytes]; !bytes.Equal(product, j.product) {
		generation, err := j.present(product)
		if err != nil {
			return false, err
		}
		j.product, j.generation = product, generation
	}
	return binary.BigEndian.Uint64(of[productBytes:]) < j.generation, nil
}

// released reports whether an account has no live instance of a number. Numbers
// are not given twice, and what is released stays so.
func (j *imageJudge) released(number, instance uint32) (bool, error) {
	b, err := blockIn(j.txn, ledger.BlockOf(number))
	if err != nil {
		return false, err
	}
	for _, a := range b.Accounts {
		if a.Number != number {
			continue
		}
		for _, i := range a.Instances {
			if i.ID == instance {
				return i.Released != 0, nil
			}
		}
		return true, nil
	}
	return false, nil
}

// present is the generation of a product's pictures.
func (j *imageJudge) present(product []byte) (uint64, error) {
	k := ledger.ProductKey{Account: binary.BigEndian.Uint32(product), Instance: binary.BigEndian.Uint32(product[4:])}
	copy(k.Product[:], product[instanceBytes:])
	value, err := lookup(j.txn, productKey(k))
	if errors.Is(err, ledger.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	p, err := ledger.DecodeProduct(k, value)
	return p.Generation, err
}
