package badgerstore

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/ledger"
)

// Badger cannot tell a ledger that lost commits in its middle from a whole one:
// a log that is cut beside a newer one, or a MANIFEST that is cut, takes them
// away without a word. So commits are numbered. Each writes its number into one
// of chainSlots keys, in turn, and what the whole ledger must add up to under
// the key z. At open the newest numbers must all be there, and the sums must
// agree. A ledger that lost its end only is whole, and older: the journal has
// the rest.
//
// The numbers must reach back over all logs that there can be. Those are four:
// one that is written and, with 2 memtables, three that wait to be written out.
// A commit takes chainValue bytes of a log at least, which bounds how many
// commits a log holds: with the last one, which may exceed its size, 8,193.
const (
	chainSlots = 1 << 16
	chainValue = 2048
)

// chain is what a whole ledger adds up to after a commit.
type chain struct {
	commits uint64 // the newest commit's number
	blocks  uint64
	folded  uint64 // sum of all blocks' Folded, wrapping
	books   uint64
	meta    uint32 // check of the value of meta, 0 without one
}

const chainVersion = 1

var chainTable = crc32.MakeTable(crc32.Castagnoli)

func checkOf(b []byte) uint32 { return crc32.Checksum(b, chainTable) }

// checkOfValue is by another polynomial than that of the check which a value
// ends with: by the same one, every value would have the same.
func checkOfValue(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

// Where the value has them: version, four numbers, the check of meta, zeros, the
// value's own check.
const (
	chainMeta  = 1 + 4*8
	chainCheck = chainValue - 4
)

func (c chain) encode() []byte {
	b := make([]byte, chainValue)
	b[0] = chainVersion
	for i, n := range []uint64{c.commits, c.blocks, c.folded, c.books} {
		binary.BigEndian.PutUint64(b[1+8*i:], n)
	}
	binary.BigEndian.PutUint32(b[chainMeta:], c.meta)
	binary.BigEndian.PutUint32(b[chainCheck:], checkOf(b[:chainCheck]))
	return b
}

func decodeChain(b []byte) (c chain, err error) {
	if len(b) != chainValue || b[0] != chainVersion || binary.BigEndian.Uint32(b[chainCheck:]) != checkOf(b[:chainCheck]) {
		return c, fmt.Errorf("%w: the count of commits fails its check", ledger.ErrDamaged)
	}
	for i, n := range []*uint64{&c.commits, &c.blocks, &c.folded, &c.books} {
		*n = binary.BigEndian.Uint64(b[1+8*i:])
	}
	c.meta = binary.BigEndian.Uint32(b[chainMeta:])
	return c, nil
}

// next writes the chain after one more commit into its transaction.
func (c chain) next(txn *badger.Txn) (chain, error) {
	c.commits++
	slot := binary.BigEndian.AppendUint64(nil, c.commits)
	if err := txn.Set(slotKey(uint32(c.commits%chainSlots)), slot); err != nil {
		return c, err
	}
	return c, txn.Set(chainKey, c.encode())
}

// readChain finds out what the ledger must add up to, and whether it does, and
// what is held of each block. One that an older release wrote begins to be counted.
func readChain(db *badger.DB) (chain, map[uint32]held, error) {
	txn := db.NewTransaction(false)
	defer txn.Discard()
	have, blocks, err := sums(txn)
	if err != nil {
		return chain{}, nil, err
	}
	want, err := wanted(txn)
	if errors.Is(err, ledger.ErrNotFound) {
		return have, blocks, numbered(txn, chain{})
	}
	if err == nil {
		err = numbered(txn, want)
	}
	if err != nil {
		return chain{}, nil, err
	}
	have.commits = want.commits
	if have != want {
		return chain{}, nil, fmt.Errorf("%w: after commit %d it must have %d blocks (folded %d), %d price books and meta %08x, and has %d (%d), %d and %08x: values were lost or are old",
			ledger.ErrDamaged, want.commits, want.blocks, want.folded, want.books, want.meta, have.blocks, have.folded, have.books, have.meta)
	}
	return want, blocks, nil
}

// wanted is what the ledger must add up to, or ledger.ErrNotFound.
func wanted(txn *badger.Txn) (chain, error) {
	value, err := lookup(txn, chainKey)
	if err != nil {
		return chain{}, err
	}
	return decodeChain(value)
}

// held is what is known of a block in the database.
type held struct {
	folded uint64
	terms  [sha256.Size]byte // of their value
	check  uint32            // of the same, which the state names
	apart  bool              // they have a value: in ledgers of before the block is one
}

// heldOf is that of a block with the value of its terms, nil where there is none.
func heldOf(folded uint64, terms []byte) held {
	return held{folded, sha256.Sum256(terms), ledger.CheckOfTerms(terms), terms != nil}
}

// sums adds up what is there, and checks every block.
func sums(txn *badger.Txn) (c chain, blocks map[uint32]held, err error) {
	blocks = map[uint32]held{}
	for v, err := range blockValues(txn, 0, math.MaxUint32) {
		if err != nil {
			return c, nil, err
		}
		n, err := ledger.CheckBlock(v.number, v.state, v.terms)
		if err != nil {
			return c, nil, err
		}
		blocks[v.number] = heldOf(n, v.terms)
		c.blocks, c.folded = c.blocks+1, c.folded+n
	}
	for _, err := range scanIn(txn, firstBook, lastBook, func(k, _ []byte) (uint64, error) { return number64(k), nil }) {
		if err != nil {
			return c, nil, err
		}
		c.books++
	}
	meta, err := lookup(txn, metaKey)
	if errors.Is(err, ledger.ErrNotFound) {
		return c, blocks, nil
	}
	c.meta = checkOfValue(meta)
	return c, blocks, err
}

// numbered looks for the numbers of the newest commits: each slot must have the
// newest that belongs there.
func numbered(txn *badger.Txn, c chain) error {
	var there uint64
	for slot, err := range scanIn(txn, slotKey(0), slotKey(chainSlots-1), decodeSlot) {
		if err != nil {
			return err
		}
		if slot.number > c.commits || c.commits-slot.number >= chainSlots || slot.number%chainSlots != uint64(slot.key) {
			return lostCommits(c, "commit %d stands where a newer one must", slot.number)
		}
		there++
	}
	if want := min(c.commits, chainSlots); there != want {
		return lostCommits(c, "%d of the newest %d are there", there, want)
	}
	return nil
}

func lostCommits(c chain, format string, args ...any) error {
	return fmt.Errorf("%w: commits are missing in the middle, up to %d (%s): a log (.mem) or the MANIFEST was cut or removed",
		ledger.ErrDamaged, c.commits, fmt.Sprintf(format, args...))
}

type slot struct {
	key    uint32
	number uint64
}

func decodeSlot(key, value []byte) (slot, error) {
	if len(value) != 8 {
		return slot{}, fmt.Errorf("%w: a commit's number has %d bytes", ledger.ErrDamaged, len(value))
	}
	return slot{number32(key), number64(value)}, nil
}
