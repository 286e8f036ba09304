package intent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/failpoint"
)

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
