package service

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/ballast"
)

// Sizes in bytes of what a full disk is guarded with.
const (
	MinReserve     = 48 << 20 // what Badger may need to write out its memory
	DefaultBallast = 128 << 20
	MinBallast     = startRoom // or none

	startRoom   = 60 << 20 // to open ledger and journal, and to begin a period
	closeRoom   = MinReserve
	tallyRoom   = 8 << 20 // that a period's counters are given at a time
	restoreRest = 3 * time.Second
)

// guard keeps the gateway alive on a disk that is full. Commands are refused
// below the reserve, so that what was accepted can always be folded; a ballast is
// given up to what must go on without: counting, a start, a stop.
type guard struct {
	dir     string
	reserve func() uint64 // what the ledger asks for
	free    func(dir string) (uint64, error)
	ballast *ballast.File
	log     *slog.Logger

	opened  time.Time
	serving atomic.Bool

	mu   sync.Mutex // of the ticks
	had  int64      // of ballast, before the start took of it
	full bool       // commands are refused, and that has been said
}

// openGuard takes up the ballast that an earlier run left, and gives up of it what
// a start lacks. The folder is locked.
func openGuard(c Config) *guard {
	g := &guard{dir: c.Dir, reserve: func() uint64 { return max(c.Reserve, MinReserve) }, free: c.free, log: c.Logger, opened: time.Now()}
	if g.free == nil {
		g.free = ballast.Free
	}
	var err error
	if g.ballast, err = ballast.Open(filepath.Join(c.Dir, "ballast"), c.Ballast); err != nil {
		g.log.Warn("there is no ballast: on a full disk the gateway may not be able to start", "error", err)
		g.ballast = new(ballast.File)
	}
	g.had = g.ballast.Size()
	free, size, err := ballast.Disk(c.Dir)
	if err != nil {
		g.log.Warn("the disk does not say how full it is", "error", err)
		return g
	}
	if want := g.need() + uint64(c.Ballast) + startRoom; size < want {
		g.log.Warn("the disk is too small for reserve and ballast: money commands may be refused from the start; use a larger disk, or set reserve and ballast lower",
			"dir", c.Dir, "disk", mib(size), "wanted", mib(want))
	}
	if free < startRoom {
		g.give(startRoom-int64(free), "the start")
	}
	return g
}

// need is how much must be free for a command: more than the ledger itself asks
// for, so that it can be folded.
func (g *guard) need() uint64 {
	reserve := g.reserve()
	return reserve + reserve/8
}

// Room is why no command is accepted, nil where the disk has room.
func (g *guard) Room() error {
	if !g.serving.Load() { // what a start records is little, and must not stop it
		return nil
	}
	free, err := g.free(g.dir)
	if err != nil {
		return err
	}
	if free < g.need() {
		return fmt.Errorf("%w: %s free in %s, %s needed: remove what does not belong there, or enlarge the disk; calls are counted meanwhile, and all goes on by itself when there is room",
			ledger.ErrNoSpace, mib(free), g.dir, mib(g.need()))
	}
	return nil
}

// disk is how many bytes are free, and how many must be for a command.
func (g *guard) disk() (free, need uint64, err error) {
	free, err = g.free(g.dir)
	return free, g.need(), err
}

// makeRoom gives up ballast for counters.
func (g *guard) makeRoom() bool { return g.give(tallyRoom, "counters") > 0 }

func (g *guard) give(bytes int64, what string) int64 {
	given, err := g.ballast.Give(bytes)
	switch {
	case err != nil:
		g.log.Error("the ballast could not be given up", "error", err)
	case given > 0:
		g.log.Warn("the disk is full: ballast was given up", "for", what, "given", mib(uint64(given)), "left", mib(uint64(g.ballast.Size())))
	}
	return given
}

// tick fills the ballast where there is room, and says when commands are refused
// and when they are accepted again.
func (g *guard) tick() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.had > 0 && time.Since(g.opened) > restoreRest { // what was opened has written by now what it had to
		if err := g.ballast.Restore(g.had); err != nil {
			g.log.Warn("the ballast could not be restored", "error", err)
		}
		g.had = 0
	}
	if g.ballast.Size() < g.ballast.Want() {
		if err := g.ballast.Fill(g.need() + g.need()/2); err != nil {
			g.log.Debug("the ballast could not be filled", "error", err)
		}
	}
	err := g.Room()
	switch full := errors.Is(err, ledger.ErrNoSpace); {
	case full && !g.full:
		g.log.Error("money commands are refused, and settlement waits", "error", err)
	case !full && g.full:
		g.log.Info("the disk has room again: money commands are accepted")
	}
	g.full = errors.Is(err, ledger.ErrNoSpace)
}

// closing makes room for what is written when the ledger is closed, and returns
// what takes it back afterwards.
func (g *guard) closing() (closed func() error) {
	had := g.ballast.Size()
	if free, err := ballast.Free(g.dir); err == nil && free < closeRoom {
		g.give(closeRoom-int64(free), "the stop")
	}
	return func() error {
		return errors.Join(g.ballast.Restore(max(had, g.had)), g.ballast.Close())
	}
}

func mib(bytes uint64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
