package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// Encoded is what a record's hash is of. A copy of the record outside the journal
// has to keep no more: appended to a journal that ends with the record before, it
// gets the same hash.
func (r Record) Encoded() []byte {
	length := recordFixed + len(r.Kind) + len(r.Payload)
	return appendRecord(nil, &r, r.Seq)[seqAt:length]
}

// ParseRecord reads what Encoded gave, hash included.
func ParseRecord(b []byte) (Record, error) {
	const before = seqAt // bytes of a record on disk that are not in b
	if len(b) < recordFixed-before {
		return Record{}, errBadRecord
	}
	kindEnd := recordFixed - before + int(b[kindAt-before])
	if kindEnd == recordFixed-before || kindEnd > len(b) {
		return Record{}, errBadRecord
	}
	r := Record{
		Seq:     binary.LittleEndian.Uint64(b),
		At:      int64(binary.LittleEndian.Uint64(b[timeAt-before:])),
		Kind:    string(b[recordFixed-before : kindEnd]),
		Payload: append([]byte{}, b[kindEnd:]...),
		Hash:    sha256.Sum256(b),
	}
	copy(r.Prev[:], b[prevAt-before:])
	if r.Seq == 0 {
		return Record{}, errors.New("a record without a sequence")
	}
	return r, nil
}

// Head is the place of the record in the chain.
func (r Record) Head() Head { return Head{r.Seq, r.Hash} }

// Follows reports whether the record is the next one after a head.
func (r Record) Follows(h Head) bool { return r.Seq == h.Seq+1 && r.Prev == h.Hash }
