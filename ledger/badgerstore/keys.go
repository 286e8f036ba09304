package badgerstore

import (
	"encoding/binary"
	"math"
)

// Keys are a letter and numbers, big-endian, so that they sort as the numbers
// do:
//
//	meta                       ledger.Meta
//	b/ block                   state of a block
//	h/ block, period's start   what the block used in the period
//	m/ account, number         movement
//	i/ SHA-256                 answer by idempotency key
//	p/ input                   price book
//	n/ account id              account number
//	k/ SHA-256                 account number by key
var metaKey = []byte("meta")

func blockKey(block uint32) []byte { return binary.BigEndian.AppendUint32([]byte("b/"), block) }

// hourKey shifts the start so that instants before 1970 sort first.
func hourKey(block uint32, start int64) []byte {
	key := binary.BigEndian.AppendUint32([]byte("h/"), block)
	return binary.BigEndian.AppendUint64(key, uint64(start)^1<<63)
}

func movementKey(account, number uint32) []byte {
	key := binary.BigEndian.AppendUint32([]byte("m/"), account)
	return binary.BigEndian.AppendUint32(key, number)
}

func answerKey(hash [32]byte) []byte { return append([]byte("i/"), hash[:]...) }

func bookKey(input uint64) []byte { return binary.BigEndian.AppendUint64([]byte("p/"), input) }

func idKey(id string) []byte { return append([]byte("n/"), id...) }

func ownerKey(hash [32]byte) []byte { return append([]byte("k/"), hash[:]...) }

// The first and last keys that scans stay between.
var (
	firstBlock, lastBlock = blockKey(0), blockKey(math.MaxUint32)
	firstBook, lastBook   = bookKey(0), bookKey(math.MaxUint64)
)

// number32 and number64 read the number at the end of a key.
func number32(key []byte) uint32 { return binary.BigEndian.Uint32(key[len(key)-4:]) }

func number64(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

func startOf(key []byte) int64 { return int64(number64(key) ^ 1<<63) }
