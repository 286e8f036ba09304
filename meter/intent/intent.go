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
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/tallygate/tallygate/account"
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
