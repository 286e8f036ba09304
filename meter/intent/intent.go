// Package intent remembers which images a gateway was about to change, so that
// neither kill -9 nor a power cut between the upstream's success and the ledger's
// record loses any of them (D28). It is one append-only file of fixed records: a change begins
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
// Begin returns when its record is durable; one sync serves all who wait. Names
// and ends only reach the page cache, which outlives the process. A power cut may
// take those written since the last Begin: a change is uncertain then that has
// ended, or its hashes are not known.
//
// The file is made, durably, as long as its first record says, of zeros. A power
// cut leaves zeros where a record was not durable, never a part of one, since no
// sector holds a part. So a file that was cut, one that has anything else in it,
// and one that lacks what a later record says was durable, was damaged.
package intent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/failpoint"
)

// ErrDamaged: a record does not check, or the file was cut. The other records
// were read.
var ErrDamaged = errors.New("damaged")

// compactAt is the size in bytes from which on the file is written anew with
// what is still open, if that is much less. The file is a multiple of it long.
const compactAt = 1 << 20

// Log is an open file of intents. Its methods may be called concurrently.
type Log struct {
	syncing sync.Mutex // one sync at a time; taken before mu
	mu      sync.Mutex
	path    string
	file    *os.File
	size    int64 // where the next record goes
	room    int64 // how long the file is
	next    uint64
	open    map[uint64]entry
	old     []uint64 // open since before this process, until Forget

	written uint64 // records so far, in all files
	durable uint64 // of those
	safe    int64  // bytes of the file that are durable
	stale   bool   // nobody knows what is durable: a sync has failed, or none was made

	fsync func(*os.File) error // a field, so that tests can make it fail
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
	l := &Log{path: path, open: make(map[uint64]entry), next: 1, fsync: (*os.File).Sync, stale: true} // it may be in the page cache only
	data, err := os.ReadFile(path)
	var damaged int
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = l.rewrite()
	case err == nil:
		damaged = l.read(data)
		l.file, err = os.OpenFile(path, os.O_RDWR, 0o600)
	}
	if err != nil {
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
		return l, open, fmt.Errorf("%s: %w in %d places", path, ErrDamaged, damaged)
	}
	return l, open, nil
}

// Begin remembers a change that is about to be made, for good once it returns
// without an error. Named says that the hashes are known.
func (l *Log) Begin(c account.ImageChange, named bool) (id uint64, err error) {
	id, number, err := l.begin(entry{c, named})
	if err == nil {
		err = l.sync(number)
	}
	if err != nil {
		return 0, errors.Join(err, l.End(id)) // it will not be made
	}
	return id, nil
}

func (l *Log) begin(e entry) (id, number uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id = l.next
	if err := l.append(record{kind: begins, id: id, entry: e}); err != nil {
		return 0, 0, err
	}
	l.next++
	l.open[id] = e
	return id, l.written, nil
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
	l.syncing.Lock()
	defer l.syncing.Unlock()
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
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

func (l *Log) append(r record) error {
	b := r.encode(l.safe)
	if err := failpoint.Fail("intent/append"); err != nil {
		return fmt.Errorf("file of intents: %w", err)
	}
	if err := l.grow(); err != nil {
		return fmt.Errorf("file of intents: %w", err)
	}
	if _, err := l.file.WriteAt(b[:], l.size); err != nil {
		return fmt.Errorf("file of intents: %w", err) // the next record goes over what was written of it
	}
	failpoint.Wrote(l.file, l.size, recordSize)
	l.size += recordSize
	l.written++
	return nil
}

// grow makes room, durably, for one more record. It seldom does anything.
func (l *Log) grow() error {
	if l.size+recordSize <= l.room {
		return nil
	}
	room := l.room + compactAt
	if err := l.file.Truncate(room); err != nil {
		return err
	}
	if err := l.syncTo(l.file, room); err != nil {
		l.stale = true // of the records before, too, and nobody is told again
		return err
	}
	head := record{kind: holds, id: uint64(room)}.encode(0)
	if _, err := l.file.WriteAt(head[:], 0); err != nil {
		return err
	}
	failpoint.Wrote(l.file, 0, recordSize)
	l.room = room
	return nil
}

// sync returns when a record is durable. The file is written anew where nobody
// knows what is durable (after a failed sync the kernel takes for clean what it
// could not write), and where most of it has ended.
func (l *Log) sync(number uint64) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.durable >= number {
		return nil
	}
	if l.stale || l.size >= compactAt && l.size >= 4*recordSize*int64(len(l.open)) {
		return l.rewrite()
	}
	file, end, written := l.file, l.size, l.written
	l.mu.Unlock() // others write meanwhile, and wait for the next sync
	err := l.syncTo(file, end)
	l.mu.Lock()
	if err == nil && l.stale { // grow has been told of a failure
		return l.rewrite()
	}
	if err != nil {
		l.stale = true
		return fmt.Errorf("file of intents: %w", err)
	}
	l.durable, l.safe = written, end
	return nil
}

func (l *Log) syncTo(f *os.File, end int64) error {
	err := failpoint.Fail("intent/sync")
	if err == nil {
		err = l.fsync(f)
	}
	if err == nil {
		failpoint.SyncedTo(f, end)
		failpoint.Hit("intent/synced")
	}
	return err
}

// rewrite replaces the file, durably, by one of what is open. Whenever it is
// killed, the old file is there or the new one.
func (l *Log) rewrite() error {
	room := (recordSize*int64(len(l.open)+2) + compactAt - 1) / compactAt * compactAt
	head := record{kind: holds, id: uint64(room)}.encode(0)
	data := head[:]
	ids := make([]uint64, 0, len(l.open))
	for id := range l.open {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		b := record{kind: begins, id: id, entry: l.open[id]}.encode(0)
		data = append(data, b[:]...)
	}
	file, err := os.OpenFile(l.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("file of intents: %w", err)
	}
	if _, err = file.Write(data); err == nil {
		err = file.Truncate(room)
	}
	if err == nil {
		err = l.syncTo(file, room)
	}
	failpoint.Hit("intent/rewriting")
	if err == nil {
		err = os.Rename(l.path+".new", l.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("file of intents: %w", err), file.Close())
	}
	old := l.file
	l.file, l.size, l.room, l.safe, l.stale = file, int64(len(data)), room, int64(len(data)), true
	if old != nil {
		err = old.Close()
	}
	if err = errors.Join(err, durable.SyncDir(filepath.Dir(l.path))); err != nil {
		return fmt.Errorf("file of intents: %w", err)
	}
	l.durable, l.stale = l.written, false
	return nil
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
