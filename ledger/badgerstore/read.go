package badgerstore

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// lookup copies a value out of the database, or ledger.ErrNotFound.
func lookup(txn *badger.Txn, key []byte) (value []byte, err error) {
	return lookupInto(txn, key, nil)
}

// lookupInto is lookup with a buffer to use, if it is large enough.
func lookupInto(txn *badger.Txn, key, buffer []byte) (value []byte, err error) {
	defer caught(&err)
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, ledger.ErrNotFound
	}
	if err == nil {
		value, err = item.ValueCopy(buffer)
	}
	if err != nil {
		return nil, unreadable(err)
	}
	return value, nil
}

// unreadable is what Badger says of a value that it has and cannot give.
func unreadable(err error) error { return fmt.Errorf("%w: reading it: %w", ledger.ErrDamaged, err) }

// get reads what never changes once it is there, or what Open has proven. That
// something is not there is said after all tables are verified.
func get[T any](s *Store, key []byte, decode func(value []byte) (T, error)) (T, error) {
	var none T
	value, err := s.value(key)
	if errors.Is(err, ledger.ErrNotFound) && !s.isVerified() {
		<-s.verified
		value, err = s.value(key)
	}
	if err != nil {
		return none, err
	}
	v, err := decode(value)
	s.noticed(err)
	return v, err
}

// newest reads what changes: a table that is not verified yet may hide that.
func newest[T any](s *Store, key []byte, decode func(value []byte) (T, error)) (T, error) {
	<-s.verified
	return get(s, key, decode)
}

func (s *Store) value(key []byte) ([]byte, error) {
	read, err := s.begin()
	if err != nil {
		return nil, err
	}
	defer s.end(read)
	value, err := lookup(read.txn, key)
	s.noticed(err)
	return value, err
}

func (s *Store) isVerified() bool {
	select {
	case <-s.verified:
		return true
	default:
		return false
	}
}

// Meta implements ledger.Store.
func (s *Store) Meta() (ledger.Meta, error) { return get(s, metaKey, ledger.DecodeMeta) }

// Number implements ledger.Store.
func (s *Store) Number(id string) (uint32, error) {
	return get(s, idKey(id), func(v []byte) (uint32, error) { return ledger.DecodeNumber(id, v) })
}

// KeyOwner implements ledger.Store.
func (s *Store) KeyOwner(hash [32]byte) (uint32, error) {
	return newest(s, ownerKey(hash), func(v []byte) (uint32, error) { return ledger.DecodeKeyOwner(hash, v) })
}

// Answer implements ledger.Store.
func (s *Store) Answer(key [32]byte) (ledger.Answer, error) {
	return get(s, answerKey(key), func(v []byte) (ledger.Answer, error) { return ledger.DecodeAnswer(key, v) })
}

// Hours implements ledger.Store.
func (s *Store) Hours(block uint32, from, to int64) iter.Seq2[ledger.BlockHour, error] {
	if to <= from {
		return func(func(ledger.BlockHour, error) bool) {}
	}
	return scan(s, hourKey(block, from), hourKey(block, to-1), func(k, v []byte) (ledger.BlockHour, error) {
		return ledger.DecodeHour(block, startOf(k), v)
	})
}

// Movements implements ledger.Store.
func (s *Store) Movements(number, from uint32) iter.Seq2[account.Movement, error] {
	return scan(s, movementKey(number, from), movementKey(number, math.MaxUint32), func(k, v []byte) (account.Movement, error) {
		return ledger.DecodeMovement(number, number32(k), v)
	})
}

// PriceBooks implements ledger.Store.
func (s *Store) PriceBooks() ([]ledger.PriceBook, error) {
	var books []ledger.PriceBook
	for b, err := range scanProven(s, firstBook, lastBook, func(k, v []byte) (ledger.PriceBook, error) {
		return ledger.DecodeBook(number64(k), v)
	}) {
		if err != nil {
			return nil, err
		}
		books = append(books, b)
	}
	return books, nil
}

// scan iterates the values from the first key to the last, both included, as
// they stood when the iteration began. It ends after an error.
func scan[T any](s *Store, first, last []byte, decode func(key, value []byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		<-s.verified
		scanProven(s, first, last, decode)(yield)
	}
}

// scanProven iterates what Open has counted.
func scanProven[T any](s *Store, first, last []byte, decode func(key, value []byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		read, err := s.begin()
		if err != nil {
			yield(none, err)
			return
		}
		defer s.end(read)
		scanIn(read.txn, first, last, decode)(func(v T, err error) bool {
			s.noticed(err)
			return yield(v, err)
		})
	}
}

// scanIn is a scan inside a read, of which there may be several.
func scanIn[T any](txn *badger.Txn, first, last []byte, decode func(key, value []byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		c := cursor{last: last}
		defer c.close()
		for err := c.open(txn, first); ; err = c.next() {
			var v T
			if err == nil && c.key == nil {
				return
			}
			if err == nil {
				v, err = decode(c.key, c.value)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// cursor walks over keys of the same length.
type cursor struct {
	it         *badger.Iterator
	last       []byte
	key, value []byte // valid until next; a nil key is the end
}

func (c *cursor) open(txn *badger.Txn, first []byte) (err error) {
	defer caught(&err)
	o := badger.DefaultIteratorOptions
	o.PrefetchValues = false // they stand beside the keys
	o.Prefix = commonPrefix(first, c.last)
	c.it = txn.NewIterator(o)
	c.it.Seek(first)
	return c.load()
}

func (c *cursor) next() (err error) {
	defer caught(&err)
	c.it.Next()
	return c.load()
}

func (c *cursor) load() (err error) {
	c.key = nil
	if !c.it.Valid() || bytes.Compare(c.it.Item().Key(), c.last) > 0 {
		return nil
	}
	c.key = c.it.Item().Key()
	if len(c.key) != len(c.last) {
		return fmt.Errorf("%w: a key of %d bytes where all have %d", ledger.ErrDamaged, len(c.key), len(c.last))
	}
	if c.value, err = c.it.Item().ValueCopy(c.value); err != nil {
		return unreadable(err)
	}
	return nil
}

func (c *cursor) close() {
	if c.it != nil {
		c.it.Close()
	}
}

func commonPrefix(a, b []byte) []byte {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}
