package intent

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/tallygate/tallygate/account"
)

// record is one line of the file. It holds all of its change, so that each can
// be read alone.
type record struct {
	kind recordKind
	id   uint64
	entry
}

type recordKind uint8

const (
	begins recordKind = 1
	named  recordKind = 2
	ended  recordKind = 3
	holds  recordKind = 4 // the first record: its number is how long the file is
)

const recordSize = 64

var table = crc32.MakeTable(crc32.Castagnoli)

// encode also writes how many bytes of the file are durable.
func (r record) encode(safe int64) (b [recordSize]byte) {
	b[0], b[1] = byte(r.kind), byte(r.change.Kind)
	if r.entry.named {
		b[2] = 1
	}
	binary.LittleEndian.PutUint32(b[4:], r.change.Account)
	binary.LittleEndian.PutUint64(b[8:], r.id)
	binary.LittleEndian.PutUint32(b[16:], r.change.Instance)
	copy(b[20:], r.change.Product[:])
	copy(b[36:], r.change.Picture[:])
	binary.LittleEndian.PutUint64(b[52:], uint64(safe))
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], table))
	return b
}

func decode(b [recordSize]byte) (r record, safe int64, ok bool) {
	if crc32.Checksum(b[:60], table) != binary.LittleEndian.Uint32(b[60:]) || b[0] < byte(begins) || b[0] > byte(holds) {
		return r, 0, false
	}
	r.kind, r.change.Kind, r.entry.named = recordKind(b[0]), account.ImageChangeKind(b[1]), b[2] == 1
	r.change.Account = binary.LittleEndian.Uint32(b[4:])
	r.id = binary.LittleEndian.Uint64(b[8:])
	r.change.Instance = binary.LittleEndian.Uint32(b[16:])
	r.change.Product, r.change.Picture = [16]byte(b[20:]), [16]byte(b[36:])
	return r, int64(binary.LittleEndian.Uint64(b[52:])), true
}

// read takes up the records of an earlier run and returns in how many places
// they were damaged.
func (l *Log) read(data []byte) (damaged int) {
	l.size, l.room = recordSize, int64(len(data))
	if len(data) < recordSize {
		return 1
	}
	if head, _, ok := decode([recordSize]byte(data)); !ok || head.kind != holds || head.id > uint64(len(data)) {
		damaged++
	}
	var empty []int
	safe := int64(0)
	for at := recordSize; at+recordSize <= len(data); at += recordSize {
		b := [recordSize]byte(data[at:])
		if b == [recordSize]byte{} { // not written, or lost in a power cut
			empty = append(empty, at)
			continue
		}
		r, s, ok := decode(b)
		if !ok {
			damaged++
			continue
		}
		safe = max(safe, s)
		l.size = int64(at + recordSize)
		l.next = max(l.next, r.id+1)
		switch r.kind {
		case begins, named:
			l.open[r.id] = r.entry
		case ended:
			delete(l.open, r.id)
		}
	}
	for _, at := range empty {
		if int64(at) < safe {
			damaged++
		}
	}
	return damaged
}
