package badgerstore

import (
	"encoding/binary"
	"math"

	"github.com/tallygate/tallygate/ledger"
)

// Keys are a letter and numbers, big-endian, so that they sort as the numbers
// do:
//
//	meta                       ledger.Meta
//	b/ block                   state of a block; in ledgers of before, all of it
//	c/ block                   terms of a block, which its state names
//	h/ block, period's start   what the block used in the period
//	m/ account, number         movement
//	i/ SHA-256                 answer by idempotency key
//	p/ input                   price book
//	n/ account id              account number
//	k/ SHA-256                 account number by key
//	e/ account, number         event
//	s/ account, month          closed month
//	t/ customer                trial
//	x/ account, instance, product                        pictures of a product
//	y/ account, instance, product, generation, picture   a picture
//	z                          what the ledger adds up to, see chain
//	z/ slot                    number of a commit
var (
	metaKey  = []byte("meta")
	chainKey = []byte("z")
)

func slotKey(slot uint32) []byte { return binary.BigEndian.AppendUint32([]byte("z/"), slot) }

func blockKey(block uint32) []byte { return binary.BigEndian.AppendUint32([]byte("b/"), block) }

func termsKey(block uint32) []byte { return binary.BigEndian.AppendUint32([]byte("c/"), block) }

// hourKey shifts the start so that instants before 1970 sort first.
func hourKey(block uint32, start int64) []byte {
	key := binary.BigEndian.AppendUint32([]byte("h/"), block)
	return binary.BigEndian.AppendUint64(key, uint64(start)^1<<63)
}

func movementKey(account, number uint32) []byte {
	key := binary.BigEndian.AppendUint32([]byte("m/"), account)
	return binary.BigEndian.AppendUint32(key, number)
}

func eventKey(account, number uint32) []byte {
	key := binary.BigEndian.AppendUint32([]byte("e/"), account)
	return binary.BigEndian.AppendUint32(key, number)
}

func statementKey(account, month uint32) []byte {
	key := binary.BigEndian.AppendUint32([]byte("s/"), account)
	return binary.BigEndian.AppendUint32(key, month)
}

func trialKey(customer string) []byte { return append([]byte("t/"), customer...) }

// They follow one another.
const productPrefix, picturePrefix = "x/", "y/"

func productKey(k ledger.ProductKey) []byte { return append([]byte(productPrefix), k.Bytes()...) }

func pictureKey(k ledger.PictureKey) []byte { return append([]byte(picturePrefix), k.Bytes()...) }

func answerKey(hash [32]byte) []byte { return append([]byte("i/"), hash[:]...) }

func bookKey(input uint64) []byte { return binary.BigEndian.AppendUint64([]byte("p/"), input) }

func idKey(id string) []byte { return append([]byte("n/"), id...) }

func ownerKey(hash [32]byte) []byte { return append([]byte("k/"), hash[:]...) }

// The first and last keys that a scan of price books stays between.
var firstBook, lastBook = bookKey(0), bookKey(math.MaxUint64)

// number32 and number64 read the number at the end of a key.
func number32(key []byte) uint32 { return binary.BigEndian.Uint32(key[len(key)-4:]) }

func number64(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

func startOf(key []byte) int64 { return int64(number64(key) ^ 1<<63) }
