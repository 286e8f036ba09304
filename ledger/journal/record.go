package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// Record is one input to the ledger.
type Record struct {
	Seq     uint64 // from 1, without gaps
	At      int64  // event time, Unix nanoseconds
	Kind    string // 1 to 255 bytes: "command", "hour", "pricebook"
	Payload []byte
	Prev    [32]byte // Hash of the record before, zero for the first
	Hash    [32]byte // SHA-256 of the other fields, as encoded from byte 16 on
}

// A record on disk, little-endian, padded with zeros to a multiple of 8:
//
//	 0  4  CRC-32C of all that follows, padding included
//	 4  4  length without padding
//	 8  8  first sequence of the group that was synced together
//	16  8  sequence
//	24  8  event time
//	32 32  hash of the record before
//	64  1  length of the kind, then the kind, then the payload
//
// The group is how a torn write and damage are told apart: groups are written
// one after the other, each when the one before is durable. It is no part of
// the hash, which must not depend on how fast the disk was.
const (
	crcAt       = 0
	lengthAt    = 4
	groupAt     = 8
	seqAt       = 16
	timeAt      = 24
	prevAt      = 32
	kindAt      = 64
	recordFixed = kindAt + 1
	recordAlign = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errBadRecord = errors.New("no valid record")

func padded(n int) int { return (n + recordAlign - 1) &^ (recordAlign - 1) }

func recordSize(kind string, payload []byte) int {
	return padded(recordFixed + len(kind) + len(payload))
}

// appendRecord encodes r to buf and sets its hash.
func appendRecord(buf []byte, r *Record, group uint64) []byte {
	start := len(buf)
	length := recordFixed + len(r.Kind) + len(r.Payload)
	buf = append(buf, make([]byte, kindAt)...)
	buf = append(buf, byte(len(r.Kind)))
	buf = append(buf, r.Kind...)
	buf = append(buf, r.Payload...)
	buf = append(buf, make([]byte, padded(length)-length)...)

	b := buf[start:]
	binary.LittleEndian.PutUint32(b[lengthAt:], uint32(length))
	binary.LittleEndian.PutUint64(b[groupAt:], group)
	binary.LittleEndian.PutUint64(b[seqAt:], r.Seq)
	binary.LittleEndian.PutUint64(b[timeAt:], uint64(r.At))
	copy(b[prevAt:], r.Prev[:])
	r.Hash = sha256.Sum256(b[seqAt:length])
	binary.LittleEndian.PutUint32(b[crcAt:], crc32.Checksum(b[lengthAt:], castagnoli))
	return buf
}

// frame is a record found in a buffer and not yet copied out of it.
type frame struct {
	bytes  []byte // padded
	length int
	group  uint64
	seq    uint64
}

// parseFrame checks the record at the start of b by its own length and CRC.
func parseFrame(b []byte) (frame, error) {
	if len(b) < recordFixed {
		return frame{}, errBadRecord
	}
	length := binary.LittleEndian.Uint32(b[lengthAt:])
	if length < recordFixed || length > math.MaxInt32-recordAlign || padded(int(length)) > len(b) {
		return frame{}, errBadRecord
	}
	f := frame{
		bytes:  b[:padded(int(length))],
		length: int(length),
		group:  binary.LittleEndian.Uint64(b[groupAt:]),
		seq:    binary.LittleEndian.Uint64(b[seqAt:]),
	}
	kind := int(b[kindAt])
	if kind == 0 || recordFixed+kind > f.length || f.group == 0 || f.group > f.seq {
		return frame{}, errBadRecord
	}
	if crc32.Checksum(f.bytes[lengthAt:], castagnoli) != binary.LittleEndian.Uint32(b[crcAt:]) {
		return frame{}, fmt.Errorf("%w: checksum", errBadRecord)
	}
	return f, nil
}

// record copies the frame out, hash included.
func (f frame) record() Record {
	b := f.bytes[:f.length]
	kindEnd := recordFixed + int(b[kindAt])
	r := Record{
		Seq:     f.seq,
		At:      int64(binary.LittleEndian.Uint64(b[timeAt:])),
		Kind:    string(b[recordFixed:kindEnd]),
		Payload: append([]byte{}, b[kindEnd:]...),
		Hash:    sha256.Sum256(b[seqAt:]),
	}
	copy(r.Prev[:], b[prevAt:])
	return r
}
