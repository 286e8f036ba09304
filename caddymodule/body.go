package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tallygate/tallygate/meter/names"
)

// body is a request's body on its way upstream. Its beginning can be held back;
// the rest streams. All of it is looked at before it is passed on, so that a
// body which names two things never arrives whole.
type body struct {
	source  io.ReadCloser
	left    int64 // bytes missing of the declared length; -1 = none declared
	account uint32
	observe bool // pass it on, whatever it says
	spoiled atomic.Bool
	memory  atomic.Int64 // that is reserved for held

	mu     sync.Mutex // the proxy reads in a goroutine of its own
	held   []byte     // read, and not passed on yet
	err    error      // what came after held
	parser names.Parser
	over   bool
	gone   bool   // nobody looks any more
	learn  func() // called when more of it was looked at
}

// errTooLong: what is looked for does not stand in as much of a body as may be
// held back.
var errTooLong = errors.New("the names stand too far back in the body")

// errCrowded: too much is held back already.
var errCrowded = errors.New("too much is held back of other bodies")

// isAmbiguous reports whether a body was read, and does not say clearly what it
// should.
func isAmbiguous(err error) bool {
	return errors.Is(err, errTooLong) || errors.Is(err, names.ErrTwice) || errors.Is(err, names.ErrTooLong) || errors.Is(err, names.ErrUnreadable)
}

// chunk is how much is read at a time while a body is held back.
const chunk = 4 << 10

// fill holds back more of the body until something is known of it, up to a
// limit of bytes in all. At the body's end everything is known.
func (b *body) fill(limit int, known func() bool) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for !known() {
		switch {
		case b.err != nil:
			return b.err
		case len(b.held) >= limit:
			return errTooLong
		}
		at := len(b.held)
		if !b.grow(limit) {
			return errCrowded
		}
		b.held = b.held[:min(at+chunk, limit)]
		n, err := b.source.Read(b.held[at:])
		b.held = b.held[:at+n]
		if b.err = b.look(b.held[at:], err); b.spoiled.Load() {
			return b.err
		}
	}
	return nil
}

// grow makes room for a chunk more: twice as much each time, or most of the
// memory would be what was copied from.
func (b *body) grow(limit int) bool {
	at := len(b.held)
	if cap(b.held)-at >= chunk {
		return true
	}
	more := max(chunk, min(at, limit-at))
	if at > 0 {
		if !heldBack.take(b.account, more, limit) {
			return false
		}
		b.memory.Add(int64(more))
	}
	b.held = slices.Grow(b.held, more)
	return true
}

// free gives back the memory that is reserved, when it is needed no more or the
// call has ended.
func (b *body) free() {
	if b != nil {
		heldBack.give(b.account, int(b.memory.Swap(0)))
	}
}

// Read passes the body on.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.held) > 0 {
		n := copy(p, b.held)
		if b.held = b.held[n:]; len(b.held) == 0 {
			b.held = nil
			b.free()
		}
		return n, nil
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.source.Read(p)
	wrong := b.look(p[:n], err)
	switch {
	case !b.spoiled.Load():
		b.err = err
	case b.observe:
		b.gone, b.err = true, err
	default:
		b.err = wrong
		return 0, b.err
	}
	if b.learn != nil {
		b.learn()
	}
	return n, b.err
}

// look reads on in what came from the source, and returns the source's error or
// what is wrong with the body. Where the length was declared the last byte is
// not passed on before the whole was looked at.
func (b *body) look(p []byte, err error) error {
	if b.gone || b.over {
		return err
	}
	if b.left >= 0 {
		b.left -= int64(len(p))
	}
	wrong := b.parser.Feed(p)
	if wrong == nil && (b.left == 0 || errors.Is(err, io.EOF)) {
		wrong, b.over = b.parser.End(), true
	}
	if wrong != nil {
		b.spoiled.Store(true)
		return fmt.Errorf("the request's body: %w", wrong)
	}
	return err
}

// follow calls f whenever more was looked at.
func (b *body) follow(f func()) {
	b.mu.Lock()
	b.learn = f
	b.mu.Unlock()
}

// letGo lets the rest pass, whatever it says: the call is not counted.
func (b *body) letGo() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone, b.learn = true, nil
	if b.spoiled.Swap(false) {
		b.err = nil
	}
}

// broken reports whether the body named two things, or could be read in two
// ways.
func (b *body) broken() bool { return b != nil && b.spoiled.Load() }

// Close closes the source. A read that is under way ends.
func (b *body) Close() error { return b.source.Close() }
