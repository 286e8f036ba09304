package badgerstore

import (
	"encoding/binary"
	"errors"
	"iter"
	"math"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// Events implements ledger.Store.
func (s *Store) Events(number, from uint32) iter.Seq2[account.Event, error] {
	return scan(s, eventKey(number, from), eventKey(number, math.MaxUint32), func(k, v []byte) (account.Event, error) {
		return ledger.DecodeEvent(number, number32(k), v)
	})
}

// Statements implements ledger.Store.
func (s *Store) Statements(number, from uint32) iter.Seq2[account.StatementRecord, error] {
	return scan(s, statementKey(number, from), statementKey(number, math.MaxUint32), func(k, v []byte) (account.StatementRecord, error) {
		return ledger.DecodeStatement(number, number32(k), v)
	})
}

// Trial implements ledger.Store.
func (s *Store) Trial(customer string) (ledger.Trial, error) {
	return newest(s, trialKey(customer), func(v []byte) (ledger.Trial, error) { return ledger.DecodeTrial(customer, v) })
}

// Product implements ledger.Store.
func (s *Store) Product(k ledger.ProductKey) (ledger.Product, error) {
	p, err := newest(s, productKey(k), func(v []byte) (ledger.Product, error) { return ledger.DecodeProduct(k, v) })
	if errors.Is(err, ledger.ErrNotFound) {
		return ledger.Product{}, nil
	}
	return p, err
}

// HasPicture implements ledger.Store.
func (s *Store) HasPicture(k ledger.PictureKey) (bool, error) {
	_, err := newest(s, pictureKey(k), func(v []byte) (struct{}, error) { return struct{}{}, ledger.CheckPicture(k, v) })
	if errors.Is(err, ledger.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Pictures implements ledger.Store: product by product, those of its present
// generation.
func (s *Store) Pictures(number, instance uint32) iter.Seq2[account.Image, error] {
	return func(yield func(account.Image, error) bool) {
		<-s.verified
		read, err := s.begin()
		if err != nil {
			yield(account.Image{}, err)
			return
		}
		defer s.end(read)
		for p, err := range products(read.txn, number, instance) {
			if err != nil {
				s.noticed(err)
				yield(account.Image{}, err)
				return
			}
			for image, err := range picturesOf(read.txn, p) {
				s.noticed(err)
				if !yield(image, err) || err != nil {
					return
				}
			}
		}
	}
}

// products iterates the products of an instance, with their generation.
func products(txn *badger.Txn, number, instance uint32) iter.Seq2[ledger.PictureKey, error] {
	first := ledger.ProductKey{Account: number, Instance: instance}
	last := first
	fill(last.Product[:])
	return scanIn(txn, productKey(first), productKey(last), func(k, v []byte) (ledger.PictureKey, error) {
		key := first
		copy(key.Product[:], k[len(k)-16:])
		p, err := ledger.DecodeProduct(key, v)
		return ledger.PictureKey{ProductKey: key, Generation: p.Generation}, err
	})
}

func picturesOf(txn *badger.Txn, first ledger.PictureKey) iter.Seq2[account.Image, error] {
	last := first
	fill(last.Picture[:])
	return scanIn(txn, pictureKey(first), pictureKey(last), func(k, v []byte) (account.Image, error) {
		key := first
		copy(key.Picture[:], k[len(k)-16:])
		image := account.Image{Account: key.Account, Instance: key.Instance, Product: key.Product, Picture: key.Picture}
		return image, ledger.CheckPicture(key, v)
	})
}

// fill makes the greatest hash.
func fill(hash []byte) {
	for i := 0; i < len(hash); i += 8 {
		binary.BigEndian.PutUint64(hash[i:], math.MaxUint64)
	}
}
