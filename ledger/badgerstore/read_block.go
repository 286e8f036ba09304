package badgerstore

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/ledger"
)

// A block stands under two keys: an hour writes its state, and its terms only
// where a byte of them is another. Both are written in one transaction, and the
// state names the terms.

// Block implements ledger.Store. What Open has proven needs no more waiting, nor
// that it is not there.
func (s *Store) Block(number uint32) (ledger.Block, error) {
	read, err := s.begin()
	if err != nil {
		return ledger.Block{}, err
	}
	defer s.end(read)
	b, err := blockIn(read.txn, number)
	s.noticed(err)
	return b, err
}

// parts are the two values of a block. A decoded block keeps nothing of them, so
// that the next one may have their memory.
type parts struct{ state, terms []byte }

var partsPool = sync.Pool{New: func() any { return new(parts) }}

// blockIn reads a block inside a read. One never committed is empty.
func blockIn(txn *badger.Txn, number uint32) (ledger.Block, error) {
	p := partsPool.Get().(*parts)
	defer partsPool.Put(p)
	value, err := lookupInto(txn, blockKey(number), p.state)
	if errors.Is(err, ledger.ErrNotFound) {
		return ledger.Block{Number: number}, nil
	}
	if err != nil {
		return ledger.Block{}, err
	}
	p.state = value
	terms, err := lookupInto(txn, termsKey(number), p.terms)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
	case err != nil:
		return ledger.Block{}, err
	default:
		p.terms = terms
	}
	return ledger.DecodeBlock(number, value, terms)
}

// Blocks implements ledger.Store. Blocks are decoded ahead of who takes them.
func (s *Store) Blocks() iter.Seq2[ledger.Block, error] {
	return func(yield func(ledger.Block, error) bool) {
		read, err := s.begin()
		if err != nil {
			yield(ledger.Block{}, err)
			return
		}
		defer s.end(read)
		for b, err := range decoded(blockValues(read.txn, 0, math.MaxUint32)) {
			s.noticed(err)
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

// BlocksBetween implements ledger.Store.
func (s *Store) BlocksBetween(first, last uint32, slabs *ledger.Slabs) iter.Seq2[ledger.Block, error] {
	return func(yield func(ledger.Block, error) bool) {
		read, err := s.begin()
		if err != nil {
			yield(ledger.Block{}, err)
			return
		}
		defer s.end(read)
		for v, err := range blockValues(read.txn, first, last) {
			var b ledger.Block
			if err == nil {
				b, err = slabs.DecodeBlock(v.number, v.state, v.terms)
			}
			s.noticed(err)
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

// blockValue is what stands under the keys of a block. Valid until the next.
type blockValue struct {
	number uint32
	state  []byte
	terms  []byte // nil where there is no such key
}

// blockValues iterates the blocks from first to last inside a read, in order. It ends
// after an error, which terms without a state are as well.
func blockValues(txn *badger.Txn, first, last uint32) iter.Seq2[blockValue, error] {
	return func(yield func(blockValue, error) bool) {
		terms := cursor{last: termsKey(last)}
		defer terms.close()
		if err := terms.open(txn, termsKey(first)); err != nil {
			yield(blockValue{}, err)
			return
		}
		for v, err := range scanIn(txn, blockKey(first), blockKey(last), func(k, value []byte) (blockValue, error) {
			return withTerms(blockValue{number: number32(k), state: value}, &terms)
		}) {
			if !yield(v, err) || err != nil {
				return
			}
			if v.terms != nil {
				err = terms.next()
			}
			if err != nil {
				yield(blockValue{}, err)
				return
			}
		}
		if terms.key != nil {
			yield(blockValue{}, noState(number32(terms.key)))
		}
	}
}

// withTerms adds the terms, at which a cursor stands.
func withTerms(v blockValue, terms *cursor) (blockValue, error) {
	if terms.key == nil {
		return v, nil
	}
	switch number := number32(terms.key); {
	case number < v.number:
		return v, noState(number)
	case number == v.number:
		v.terms = terms.value
	}
	return v, nil
}

func noState(number uint32) error {
	return fmt.Errorf("block %d: %w: it has terms and no state", number, ledger.ErrDamaged)
}
