package tally

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	chunkSlots = 1 << 13
	chunkBytes = chunkSlots * slotBytes
	maxChunks  = 1 << 12 // 33,554,432 slots, 1 GiB

	// The header gets as much as the largest usual page, so that chunks can be
	// mapped on every machine.
	mapHeaderBytes = 64 << 10
)

// chunk is a mapped run of slots and which of them the side file lacks.
type chunk struct {
	slots *[chunkSlots]slot
	dirty [chunkSlots / 64]atomic.Uint64
	bytes []byte
}

// mapping is the slots of the mapped file. It grows by whole chunks that never
// move, so that counting needs no lock.
type mapping struct {
	file   *os.File
	length atomic.Uint32 // chunks
	chunks [maxChunks]atomic.Pointer[chunk]
	probe  []byte
}

func (m *mapping) slots() uint32 { return m.length.Load() * chunkSlots }

// slot panics on a slot that was never given out, and after Close.
func (m *mapping) slot(n uint32) *slot {
	return &m.chunks[n/chunkSlots].Load().slots[n%chunkSlots]
}

// add maps one more chunk on allocated disk blocks. It reads them first: a bad
// sector is an error here, and would be a SIGBUS in the mapping.
func (m *mapping) add() error {
	n := m.length.Load()
	if n == maxChunks {
		return fmt.Errorf("%s: full at %d slots", m.file.Name(), m.slots())
	}
	off := mapHeaderBytes + int64(n)*chunkBytes
	if _, err := reserve(m.file, off, chunkBytes); err != nil {
		return err
	}
	if m.probe == nil {
		m.probe = make([]byte, chunkBytes)
	}
	if _, err := m.file.ReadAt(m.probe, off); err != nil {
		return fmt.Errorf("read tally: %w", err)
	}
	b, err := mapShared(m.file, off, chunkBytes)
	if err != nil {
		return fmt.Errorf("map %s: %w", m.file.Name(), err)
	}
	m.chunks[n].Store(&chunk{slots: (*[chunkSlots]slot)(unsafe.Pointer(&b[0])), bytes: b})
	m.length.Store(n + 1)
	return nil
}

func (m *mapping) unmap() error {
	var errs []error
	for i := range m.length.Swap(0) {
		errs = append(errs, unix.Munmap(m.chunks[i].Swap(nil).bytes))
	}
	return errors.Join(errs...)
}

// reserve makes a range of a file usable without ever running out of space.
// Where the file system cannot allocate, it writes zeros behind the file's end
// and reports guaranteed false.
func reserve(f *os.File, off, n int64) (guaranteed bool, err error) {
	err = allocate(f, off, n)
	if err == nil || !errors.Is(err, errors.ErrUnsupported) {
		if err != nil {
			err = fmt.Errorf("allocate %d bytes of %s: %w", n, f.Name(), err)
		}
		return true, err
	}
	return false, zeroFill(f, off+n)
}

func zeroFill(f *os.File, end int64) error {
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("allocate: %w", err)
	}
	zeros := make([]byte, 1<<16)
	for off := st.Size(); off < end; {
		n, err := f.WriteAt(zeros[:min(int64(len(zeros)), end-off)], off)
		if err != nil {
			return fmt.Errorf("allocate: %w", err)
		}
		off += int64(n)
	}
	return nil
}
