// Package intent remembers which images a gateway was about to change, so that
// kill -9 between the upstream's success and the ledger's record loses none of
// them (D28). It is one append-only file of fixed records: a change begins
// before its call is forwarded, is named when product and picture are known, and
// ends when the ledger has it or the call failed. What has begun and not ended
// when the file is opened is of unknown outcome.
//
//	log, open, err := intent.Open(path)   // open: journal them as uncertain, then
//	err = log.Forget()
//	id, err := log.Begin(change, false)
//	err = log.Name(id, product, picture)
//	err = log.End(id)
//
// A write reaches the page cache, which outlives the process. A power cut may
// take the newest records.
package intent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/failpoint"
)

// ErrDamaged: a record in the middle of the file does not check. The others
// were read.
var ErrDamaged = errors.New("damaged records")

// compactAt is the size in bytes from which on the file is written anew with
// what is still open, if that is much less.
const compactAt = 1 << 20

// Log is an open file of intents. Its methods may be called concurrently.
type Log struct {
	mu   sync.Mutex
	path string
	file *os.File
	size int64 // where the next record goes
	next uint64
	open map[uint64]entry
	old  []uint64 // open since before this process, until Forget
}

// entry is a change that has begun.
type entry struct {
	change account.ImageChange
	named  bool
}

// Open opens the file of a folder's gateway, made if it is not there, and
// returns the changes that have begun and not ended, as uncertain ones in the
// order of their beginning. Hashes that are not known are zero. With ErrDamaged
// the log is open all the same.
func Open(path string) (*Log, []account.ImageChange, error) {
	l := &Log{path: path, open: make(map[uint64]entry), next: 1}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("intents of an earlier run: %w", err)
	}
	damaged := l.read(data)
	if l.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, nil, fmt.Errorf("file of intents: %w", err)
	}
	for id := range l.open {
		l.old = append(l.old, id)
	}
	slices.Sort(l.old)
	var open []account.ImageChange
	for _, id := range l.old {
		c := l.open[id].change
		c.Kind = account.ImageUncertain
		open = append(open, c)
	}
	if damaged > 0 {
		return l, open, fmt.Errorf("%s: %w: %d", path, ErrDamaged, damaged)
	}
	return l, open, nil
}

// Begin remembers a change that is about to be made. Named says that the
// hashes are known.
func (l *Log) Begin(c account.ImageChange, named bool) (id uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.compact(); err != nil {
		return 0, err
	}
	id = l.next
	if err := l.append(record{kind: begins, id: id, entry: entry{c, named}}); err != nil {
		return 0, err
	}
	l.next++
	l.open[id] = entry{c, named}
	return id, nil
}

// Name adds the hashes of a change that has begun. It does nothing for one that
// has ended.
func (l *Log) Name(id uint64, product, picture [16]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.open[id]
	if !ok {
		return nil
	}
	e.change.Product, e.change.Picture, e.named = product, picture, true
	l.open[id] = e
	return l.append(record{kind: named, id: id, entry: e})
}

// End forgets a change. Where it cannot be written, the change is uncertain to
// the next Open.
func (l *Log) End(id uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.open[id]
	if !ok {
		return nil
	}
	delete(l.open, id)
	return l.append(record{kind: ended, id: id, entry: e})
}

// Forget forgets what was open when the file was opened: it is in the ledger
// now.
func (l *Log) Forget() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range l.old {
		delete(l.open, id)
	}
	l.old = nil
	return l.rewrite()
}

// Len is how many changes have begun and not ended.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// Close closes the file. It stays, for the next Open.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

func (l *Log) append(r record) error {
	b := r.encode()
	if err := failpoint.Fail("intent/append"); err != nil {
		return fmt.Errorf("file of intents: %w", err)
	}
	if _, err := l.file.WriteAt(b[:], l.size); err != nil {
		return fmt.Errorf("file of intents: %w", err) // the next record goes over what was written of it
	}
	l.size += recordSize
	return nil
}

// compact writes the file anew where most of it has ended.
func (l *Log) compact() error {
	if l.size < compactAt || l.size < 4*recordSize*int64(len(l.open)) {
		return nil
	}
	return l.rewrite()
}

func (l *Log) rewrite() error {
	var data []byte
	ids := make([]uint64, 0, len(l.open))
	for id := range l.open {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		b := record{kind: begins, id: id, entry: l.open[id]}.encode()
		data = append(data, b[:]...)
	}
	if err := os.WriteFile(l.path+".new", data, 0o600); err != nil {
		return fmt.Errorf("file of intents: %w", err)
	}
	file, err := os.OpenFile(l.path+".new", os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("file of intents: %w", err)
	}
	failpoint.Hit("intent/rewriting")
	if err := os.Rename(l.path+".new", l.path); err != nil {
		return errors.Join(fmt.Errorf("file of intents: %w", err), file.Close())
	}
	old := l.file
	l.file, l.size = file, int64(len(data))
	return old.Close()
}

// read takes up the records of an earlier run and returns how many were
// damaged. What does not check at the end was being written: it is torn.
func (l *Log) read(data []byte) (damaged int) {
	bad := 0
	for at := 0; at+recordSize <= len(data); at += recordSize {
		r, ok := decode([recordSize]byte(data[at:]))
		if !ok {
			bad++
			continue
		}
		damaged, bad = damaged+bad, 0
		l.size = int64(at + recordSize)
		l.next = max(l.next, r.id+1)
		switch r.kind {
		case begins, named:
			l.open[r.id] = r.entry
		case ended:
			delete(l.open, r.id)
		}
	}
	return damaged
}

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
)

const recordSize = 64

var table = crc32.MakeTable(crc32.Castagnoli)

func (r record) encode() (b [recordSize]byte) {
	b[0], b[1] = byte(r.kind), byte(r.change.Kind)
	if r.entry.named {
		b[2] = 1
	}
	binary.LittleEndian.PutUint32(b[4:], r.change.Account)
	binary.LittleEndian.PutUint64(b[8:], r.id)
	binary.LittleEndian.PutUint32(b[16:], r.change.Instance)
	copy(b[20:], r.change.Product[:])
	copy(b[36:], r.change.Picture[:])
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], table))
	return b
}

func decode(b [recordSize]byte) (r record, ok bool) {
	if crc32.Checksum(b[:60], table) != binary.LittleEndian.Uint32(b[60:]) || b[0] < byte(begins) || b[0] > byte(ended) {
		return r, false
	}
	r.kind, r.change.Kind, r.entry.named = recordKind(b[0]), account.ImageChangeKind(b[1]), b[2] == 1
	r.change.Account = binary.LittleEndian.Uint32(b[4:])
	r.id = binary.LittleEndian.Uint64(b[8:])
	r.change.Instance = binary.LittleEndian.Uint32(b[16:])
	r.change.Product, r.change.Picture = [16]byte(b[20:]), [16]byte(b[36:])
	return r, true
}
