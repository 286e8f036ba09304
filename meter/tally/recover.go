package tally

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/failpoint"
)

// Report is what Open found.
type Report struct {
	Header      Header
	Slots       int      // slots that count a line
	PowerLosses int      // times so far that a power loss may have cut off the last interval
	SideSkipped int      // damaged parts of the side file that a power loss made matter
	Damaged     []Damage // slots, in order; those of earlier resumes too
	Faults      []error  // what else was damaged and has been put right
}

// Damage is a slot whose mapped bytes could not be trusted.
type Damage struct {
	Slot      uint32
	Line      account.Line // zero if not known
	LineKnown bool
	Calls     uint64 // what the slot counts now
	LaterLost bool   // calls after the last sync may be missing: Calls is a lower bound
}

// LowerBound says that calls may be missing beyond what a power loss may take.
func (r Report) LowerBound() bool {
	for _, d := range r.Damaged {
		if d.LaterLost {
			return true
		}
	}
	return r.SideSkipped > 0
}

// Open resumes a tally after a crash, or after Close. Every slot keeps its
// number. What is damaged is repaired from the side file as far as it goes; the
// error is not nil only if counting cannot go on.
func Open(cfg Config, path string) (*File, Report, error) {
	f := &File{
		cfg: cfg.withDefaults(), path: path, epoch: time.Now(),
		grow: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	if err := f.resume(); err != nil {
		f.release()
		return nil, Report{}, fmt.Errorf("open tally %s: %w", path, err)
	}
	f.loops.Add(1)
	go f.growLoop()
	if f.cfg.SyncInterval > 0 {
		f.loops.Add(1)
		go f.syncLoop()
	}
	return f, f.report, nil
}

func (f *File) resume() error {
	size, err := f.openFiles()
	if err != nil {
		return err
	}
	if err := f.recover(size); err != nil {
		return err
	}
	f.synced.Store(f.clock())
	return nil
}

// recover judges and repairs every slot of a mapped file that had a size, and
// makes the result durable.
func (f *File) recover(size int64) error {
	r := recovery{f: f, size: size}
	for i := range r.found {
		r.found[i] = readSideHeader(f.side.halves[i].file)
	}
	if err := r.identify(); err != nil {
		return err
	}
	if err := r.readMapped(); err != nil {
		return err
	}
	if err := r.readSides(); err != nil {
		return err
	}
	r.settle()
	f.report = r.report
	failpoint.Hit("tally/resuming")
	if err := f.side.rewrite(f.all, 0); err != nil {
		return err
	}
	failpoint.SyncedSince(f.path, f.epoch.Add(time.Duration(f.synced.Load())))
	return nil
}

// openFiles returns the size that the mapped file had.
func (f *File) openFiles() (size int64, err error) {
	stem, ok := strings.CutSuffix(f.path, mapSuffix)
	if !ok {
		return 0, fmt.Errorf("the name does not end in %s", mapSuffix)
	}
	if f.slots.file, err = os.OpenFile(f.path, os.O_RDWR, 0); err != nil {
		return 0, err
	}
	if err := lock(f.slots.file); err != nil {
		return 0, err
	}
	st, err := f.slots.file.Stat()
	if err != nil {
		return 0, err
	}
	f.side.datasync = f.cfg.datasync
	for i := range f.side.halves {
		h := &f.side.halves[i]
		if h.file, err = os.OpenFile(stem+sideSuffixes[i], os.O_RDWR|os.O_CREATE, 0o666); err != nil {
			return 0, err
		}
	}
	f.warning = weakFileSystem(f.slots.file)
	if ok, err := reserve(f.slots.file, 0, mapHeaderBytes); err != nil {
		return 0, err
	} else if !ok && f.warning == nil {
		f.warning = fmt.Errorf("%s: the file system cannot allocate space ahead: a full disk may stop the process", f.path)
	}
	return st.Size(), durable.SyncDir(filepath.Dir(f.path))
}

// recovery brings the mapped file and the side file together.
type recovery struct {
	f        *File
	size     int64 // that the mapped file had
	found    [2]found
	base     int  // the half that was active; -1 if none
	rebooted bool // the mapped file may be older than the side file
	closed   bool // Close wrote the side file last: it lacks nothing
	marks    []mark
	report   Report
}

// mark is what is known of a slot.
type mark uint8

const (
	isLive    mark = 1 << iota // the mapping holds a whole slot
	wasBad                     // it did not when it was read
	isCounted                  // the static part is whole, the count is not
	fromSide                   // the side file knew more
)

// identify finds out which tally this is and drops side files of another.
func (r *recovery) identify() error {
	b := make([]byte, headerBytes)
	if _, err := r.f.slots.file.ReadAt(b, 0); err != nil && err != io.EOF {
		return err
	}
	h, err := decodeHeader(b, mapMagic)
	known := err == nil
	if err != nil && !errors.Is(err, errBadHeader) {
		return err
	}
	for i := range r.found {
		fd := &r.found[i]
		if !known && fd.present {
			h, known = header{Header: fd.header.Header, id: fd.header.id}, true
		}
		if fd.present && fd.header.id != h.id {
			fd.bad = fmt.Errorf("%s belongs to another tally", r.f.side.halves[i].file.Name())
			fd.present = false
		}
	}
	if !known {
		return fmt.Errorf("%w, and no side file to restore it from: stop the gateway and run: tallygate repair --config <your Caddyfile>", err)
	}
	if err != nil {
		r.report.Faults = append(r.report.Faults, fmt.Errorf("%s: %w, restored from the side file", r.f.path, err))
		if _, err := r.f.slots.file.WriteAt(h.encode(mapMagic), 0); err != nil {
			return err
		}
	}
	r.f.header = h
	return nil
}

// readMapped maps the file and judges its slots.
func (r *recovery) readMapped() error {
	st, err := r.f.slots.file.Stat()
	if err != nil {
		return err
	}
	chunks := max(1, (st.Size()-mapHeaderBytes+chunkBytes-1)/chunkBytes)
	if err := r.f.extend(uint32(min(chunks, maxChunks)) * chunkSlots); err != nil {
		return err
	}
	r.marks = make([]mark, r.f.slots.slots())
	for n := range r.marks {
		switch r.f.slots.slot(uint32(n)).load().check(r.f.header.id, uint32(n)) {
		case stateLive:
			r.marks[n] = isLive
		case stateBadCount:
			r.marks[n] = wasBad | isCounted
		case stateBadStatic:
			r.marks[n] = wasBad
		}
	}
	return nil
}

// generationGap bounds how far a resume moves the generation on.
const generationGap = 1 << 32

// readSides merges both halves: counts only grow, so the larger value holds.
func (r *recovery) readSides() error {
	r.base = -1
	s := &r.f.side
	s.header = header{Header: r.f.header.Header, id: r.f.header.id, boot: r.f.cfg.boot}
	for i := range r.found {
		fd := &r.found[i]
		if fd.present {
			// What another process wrote and did not live to sync must be
			// durable before the other half is overwritten.
			if err := s.datasync(s.halves[i].file); err != nil {
				return err
			}
			if err := fd.readBatches(s.halves[i].file, r.merge); err != nil {
				return err
			}
			s.header.generation = max(s.header.generation, fd.header.generation)
		}
		if fd.settled() && (r.base < 0 || fd.header.generation > r.found[r.base].header.generation) {
			r.base = i
		}
	}
	// A rewrite that a power loss took, but for some pages, had a generation that
	// nobody knows any more. The next one must not have the same: those pages
	// would pass for its end.
	s.header.generation += rand.Uint64N(generationGap)
	for i, fd := range r.found {
		// Without a base, a header with one copy was torn in the first rewrite.
		superseded := fd.present && r.base != i && (r.base >= 0 || fd.skipped == 0)
		if fd.bad != nil && !superseded {
			r.report.Faults = append(r.report.Faults, fd.bad)
		}
	}
	s.active = max(r.base, 0)
	r.clearStrays()
	r.judge()
	return nil
}

// clearStrays empties what is damaged among slots that were never used. Slots
// are given in order, so it is no slot unless it follows one directly.
func (r *recovery) clearStrays() {
	used := 0
	for n, m := range r.marks {
		if m&(isLive|isCounted) != 0 {
			used = n + 1
		}
	}
	for used < len(r.marks) && r.marks[used] != 0 {
		used++
	}
	for n := used; n < len(r.marks); n++ {
		if r.marks[n] == 0 {
			continue
		}
		r.f.slots.slot(uint32(n)).store(image{})
		r.marks[n] = 0
		r.report.Faults = append(r.report.Faults, fmt.Errorf("%s: slot %d was never used, and not empty", r.f.path, n))
	}
}
