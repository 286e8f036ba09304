package tally

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallygate/tallygate/account"
)

// DefaultSyncInterval bounds, with the length of one sync, what a power loss
// can lose.
const DefaultSyncInterval = 100 * time.Millisecond

// Config is how a tally is kept.
type Config struct {
	Dir          string        // folder of the tally files; it must exist; Open goes by its path instead
	SyncInterval time.Duration // 0 means DefaultSyncInterval; negative: only Sync and Close sync
	OnSyncError  func(error)   // told of every failed sync; must not call the File; may be nil
	MakeRoom     func() bool   // asked where the disk is full; reports whether there is more room now; may be nil

	boot     string               // tests: another boot of the machine
	datasync func(*os.File) error // tests: a failing disk
}

func (c Config) withDefaults() Config {
	if c.SyncInterval == 0 {
		c.SyncInterval = DefaultSyncInterval
	}
	if c.boot == "" {
		c.boot = bootID()
	}
	if c.datasync == nil {
		c.datasync = datasync
	}
	return c
}

// File is an open tally. Its methods may be called concurrently, but Add not
// for the same slot, and nothing that counts or reads slots during or after Close.
type File struct {
	cfg     Config
	path    string
	header  header
	report  Report
	warning error

	slots  mapping
	slotMu sync.Mutex    // giving out slots
	used   atomic.Uint32 // slots given out
	growMu sync.Mutex
	grow   chan struct{}

	side   side
	syncMu sync.Mutex
	epoch  time.Time
	synced atomic.Int64 // start of the latest durable sync, since epoch
	err    atomic.Pointer[error]

	closed atomic.Bool
	stop   chan struct{}
	loops  sync.WaitGroup
}

// Slot gives a new slot to a line. It maps nothing itself unless the background
// lags. The caller remembers which slot a line has: asking twice gives two.
func (f *File) Slot(line account.Line) (uint32, error) {
	f.slotMu.Lock()
	defer f.slotMu.Unlock()
	if f.closed.Load() {
		return 0, fmt.Errorf("slot: %w", os.ErrClosed)
	}
	n := f.used.Load()
	if n == f.slots.slots() {
		if err := f.extend(n + 1); err != nil {
			return 0, fmt.Errorf("slot: %w", err)
		}
	}
	f.slots.slot(n).store(newImage(f.header.id, n, line, 0, 0))
	f.used.Store(n + 1)
	if f.slots.slots()-n < chunkSlots/2 {
		select {
		case f.grow <- struct{}{}:
		default:
		}
	}
	return n, nil
}

// Add counts one call. When it returns, killing the process does not lose it.
// The caller serialises calls for the same slot.
func (f *File) Add(slot uint32) {
	c := f.slots.chunks[slot/chunkSlots].Load()
	count := &c.slots[slot%chunkSlots][wordCount]
	count.Store(next(count.Load()))
	// After the count, which the sync reads after it has cleared the bit.
	if d, bit := &c.dirty[slot%chunkSlots/64], uint64(1)<<(slot%64); d.Load()&bit == 0 {
		d.Or(bit)
	}
}

// Load is how many calls a slot has counted.
func (f *File) Load(slot uint32) uint64 {
	return f.slots.slot(slot)[wordCount].Load() & countMask
}

// Slots is how many slots are given out.
func (f *File) Slots() int { return int(f.used.Load()) }

// Each yields every slot that counts a line, in slot order. A line can have
// several slots; their sum is its count.
func (f *File) Each() iter.Seq2[uint32, account.Count] {
	return func(yield func(uint32, account.Count) bool) {
		for n := range f.used.Load() {
			im := f.slots.slot(n).load()
			if !im.void() && !yield(n, account.Count{Line: im.line(), Calls: im.calls()}) {
				return
			}
		}
	}
}

// Header says what the tally counts.
func (f *File) Header() Header { return f.header.Header }

// Path is the mapped file's.
func (f *File) Path() string { return f.path }

// Damaged is what Open found damaged.
func (f *File) Damaged() []Damage { return f.report.Damaged }

// Warning is not nil where the file system guarantees less than the tally
// needs: space once allocated, or data once synced.
func (f *File) Warning() error { return f.warning }

// Close syncs a last time, unmaps and closes the files, and leaves them in
// place. Calls of Add must have ended. A second Close does nothing.
func (f *File) Close() error {
	f.slotMu.Lock()
	was := f.closed.Swap(true)
	f.slotMu.Unlock()
	if was {
		return nil
	}
	close(f.stop)
	f.loops.Wait()
	f.syncMu.Lock()
	defer f.syncMu.Unlock()
	return errors.Join(f.sync(flagClosed), f.release())
}

// release gives back the mapping and the files as they are.
func (f *File) release() error {
	errs := []error{f.slots.unmap()}
	if f.slots.file != nil {
		errs = append(errs, unlock(f.slots.file))
	}
	for _, file := range []*os.File{f.slots.file, f.side.halves[0].file, f.side.halves[1].file} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}

// Remove closes the tally and deletes its files for good.
func (f *File) Remove() error {
	return errors.Join(f.Close(), Remove(f.path))
}
