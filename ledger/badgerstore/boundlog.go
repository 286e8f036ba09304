package badgerstore

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
)

// boundLog cuts a log before an entry that says it is longer than the file.
// Badger does so too, but only after it has taken as much memory as the entry
// says: up to 12 GiB, after which there may be no process. Whether anything was
// lost by the cut, the chain tells.
func boundLog(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.Seek(logHeader, io.SeekStart); err != nil {
		return err
	}
	r := bufio.NewReaderSize(f, 1<<16)
	for at := int64(logHeader); ; {
		head, err := r.Peek(entryHead)
		if err != nil && err != io.EOF {
			return err
		}
		length := entryLength(head)
		switch left := info.Size() - at; {
		case length == 0 || left <= 0:
			return nil
		case length > uint64(left):
			return f.Truncate(at)
		}
		at += int64(length)
		if _, err := r.Discard(int(length)); err != nil {
			return err
		}
	}
}

const (
	logHeader = 20                          // of a log: the number of a key, and an initial vector
	entryHead = 2 + 3*binary.MaxVarintLen64 // of an entry, at most
	entryTail = 4                           // its check
)

// entryLength is how long an entry is, by what it begins with: two bytes of
// flags, the lengths of key and value, and an expiry, as uvarints. It is 0 where
// none was written.
func entryLength(head []byte) uint64 {
	at, fields := uint64(2), [3]uint64{}
	for i := range fields {
		if at >= uint64(len(head)) {
			return 0 // the file ends
		}
		n := 0
		if fields[i], n = binary.Uvarint(head[at:]); n == 0 {
			return 0
		} else if n < 0 {
			return tooLong
		}
		at += uint64(n)
	}
	key, value := fields[0], fields[1]
	if key == 0 && value == 0 {
		return 0
	}
	return at + min(key, tooLong) + min(value, tooLong) + entryTail
}

// tooLong is above the length of every log.
const tooLong = 1 << 32
