package tally

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"time"

	"github.com/tallygate/tallygate/failpoint"
)

// Sync appends the slots that changed to the side file and returns when they
// are durable. After an error everything is written anew by the next Sync.
func (f *File) Sync() error {
	f.syncMu.Lock()
	defer f.syncMu.Unlock()
	if f.closed.Load() {
		return fmt.Errorf("sync: %w", os.ErrClosed)
	}
	return f.sync(0)
}

func (f *File) sync(flags uint32) error {
	start := f.clock()
	err := f.writeSide(flags)
	if err != nil {
		err = fmt.Errorf("tally %s: %w", f.path, err)
		f.err.Store(&err)
		if f.cfg.OnSyncError != nil {
			f.cfg.OnSyncError(err)
		}
		return err
	}
	f.err.Store(nil)
	f.synced.Store(start)
	failpoint.SyncedSince(f.path, f.epoch.Add(time.Duration(start)))
	return nil
}

func (f *File) writeSide(flags uint32) error {
	if !f.side.stale {
		err := f.side.append(f.changed, flags)
		if err == nil {
			return nil
		}
		f.side.stale = true
		if !errors.Is(err, errHalfFull) {
			return err
		}
	}
	return f.side.rewrite(f.all, flags)
}

// changed emits the slots counted since they were last emitted. Their dirty
// bits are cleared before the slots are read, so a call in between sets its bit
// again: Add stores the count first.
func (f *File) changed(to emit) error {
	return f.eachWord(func(c *chunk, first uint32) error {
		word := &c.dirty[first%chunkSlots/64]
		if word.Load() == 0 {
			return nil
		}
		for set := word.Swap(0); set != 0; set &= set - 1 {
			n := first + uint32(bits.TrailingZeros64(set))
			if err := to(n, c.slots[n%chunkSlots].load()); err != nil {
				return err
			}
		}
		return nil
	})
}

// all emits every slot in use, with the bits cleared first as in changed.
func (f *File) all(to emit) error {
	return f.eachWord(func(c *chunk, first uint32) error {
		c.dirty[first%chunkSlots/64].Store(0)
		used := f.used.Load() // after the bits: a slot whose bit was cleared is in use
		for n := first; n < min(first+64, used); n++ {
			if err := to(n, c.slots[n%chunkSlots].load()); err != nil {
				return err
			}
		}
		return nil
	})
}

// eachWord visits the mapping in runs of 64 slots, each a word of dirty bits.
func (f *File) eachWord(visit func(c *chunk, first uint32) error) error {
	for i := range f.slots.length.Load() {
		c := f.slots.chunks[i].Load()
		for j := range uint32(len(c.dirty)) {
			if err := visit(c, i*chunkSlots+j*64); err != nil {
				return err
			}
		}
	}
	return nil
}

// SyncAge is how old the newest durable state is: what a power loss now would
// lose. Above ten intervals, syncing must be taken for failed.
func (f *File) SyncAge() time.Duration {
	return time.Duration(f.clock() - f.synced.Load())
}

// Err is the error of the latest sync; nil once a later sync has made
// everything durable.
func (f *File) Err() error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *File) clock() int64 { return int64(time.Since(f.epoch)) }

func (f *File) syncLoop() {
	defer f.loops.Done()
	ticker := time.NewTicker(f.cfg.SyncInterval)
	defer ticker.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-ticker.C:
			f.Sync() // the error is kept and handed to OnSyncError
			f.warm()
		}
	}
}

// warmBytes is room for 2,048 slots: what a sync interval hardly needs.
const warmBytes = 64 << 10

// warm lets the slots that are given out next be written at once. The first write to
// a mapped page since the disk has it, or ever, goes through the file system, which
// on ext4 may wait for the journal: for milliseconds while a ledger is written, and
// every call that is the first of its line behind it.
func (f *File) warm() {
	used := f.used.Load()
	if used == f.slots.slots() {
		return
	}
	from := used % chunkSlots * slotBytes &^ (warmBytes - 1)
	bytes := f.slots.chunks[used/chunkSlots].Load().bytes
	makeWritable(bytes[from:min(from+2*warmBytes, chunkBytes)])
}

// growLoop maps chunks ahead of need. Its errors come again in Slot.
func (f *File) growLoop() {
	defer f.loops.Done()
	for {
		select {
		case <-f.stop:
			return
		case <-f.grow:
			f.extend(f.used.Load() + chunkSlots/2)
		}
	}
}

// extend makes room for so many slots.
func (f *File) extend(slots uint32) error {
	f.growMu.Lock()
	defer f.growMu.Unlock()
	return f.cfg.roomFor(func() error { return f.grown(slots) })
}

func (f *File) grown(slots uint32) error {
	for f.slots.slots() < slots {
		if err := f.side.reserve(f.slots.slots() + chunkSlots); err != nil {
			return err
		}
		if err := f.slots.add(); err != nil {
			return err
		}
	}
	return nil
}
