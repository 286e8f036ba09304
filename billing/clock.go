package billing

import (
	"fmt"
	"math"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger/journal"
)

// clockInput is a jump of event time that the operator accepted, in Unix
// nanoseconds. The record's own instant is that which the clock jumped to.
type clockInput struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// AcceptClock records, durably, that the operator accepts a jump of event time
// from one instant to another (Unix nanoseconds). The clock jumps after it.
//
// From then on nothing is released before a day has passed on the clock (D23),
// whether it jumped forward or back. So a jump forward that was a mistake does not
// put releases off for ever once it is taken back, and neither of the two releases
// anybody within a day. What has happened in between stays: settled hours are
// settled, and calls and commands belong to the open hour until the clock has
// passed its start again.
func (e *Engine) AcceptClock(from, to int64) error {
	if err := e.hasRoom(); err != nil {
		return err
	}
	e.inputs.Lock()
	defer e.inputs.Unlock()
	rec, err := e.record(to, inputClock, clockInput{From: from, To: to})
	if err != nil {
		return err
	}
	failpoint.Hit("clock/journalled")
	return e.applyGlobal(rec)
}

// foldClock applies an accepted jump. The caller holds the meta lock.
func (e *Engine) foldClock(rec journal.Record) error {
	in, err := decode[clockInput](rec.Seq, rec.Payload)
	if err != nil {
		return err
	}
	second := int64(time.Second)
	e.meta.Started = (in.To + second - 1) / second
	e.meta.Created = min(e.meta.Created, in.To/second) // or the months before it were never closed
	e.loadDues()                                       // releases may be due earlier than they were
	return nil
}

// releasesHeld reports whether releases wait, although something lives up to an instant
// (Unix seconds): where the wall clock is doubted, and where the instant lies
// ahead of the clock, since the clock was put back. The input says so, for those
// who fold it again.
func (e *Engine) releasesHeld(until int64) bool {
	return until > e.Now()/int64(time.Second) || e.Doubted != nil && e.Doubted()
}

// floorOf is the instant before which nothing is released (Unix seconds), by that
// of the newest start or accepted jump (D23).
func floorOf(started int64, held bool) int64 {
	if held {
		return math.MaxInt64
	}
	return started + account.RestartGrace
}

// ClockMark is where event time stood, kept outside the ledger so that the next
// start can tell whether the wall clock is to be believed.
type ClockMark struct {
	Event   int64  `json:"event"`   // Unix nanoseconds
	Input   uint64 `json:"input"`   // newest in the journal then
	Settled int64  `json:"settled"` // Unix seconds; ahead of Event where the clock was put back
}

// ClockMark is where event time stands now. No jump may be accepted meanwhile.
func (e *Engine) ClockMark() ClockMark {
	m := ClockMark{Input: e.Journal.Head().Seq, Settled: e.Meta().Settled}
	m.Event = e.Now()
	return m
}

// LastKnown is the latest event time (Unix nanoseconds) that a mark and the
// journal's records since then know, 0 for an empty journal. The zero mark stands
// for none: then it is the newest record's instant, or what is settled (Unix
// seconds) if that is later.
//
// After the clock was put back, commands are dated by what is settled, which lies
// ahead of it. Such instants say nothing of the clock.
func LastKnown(j *journal.Journal, mark ClockMark, settled int64) (int64, error) {
	second := int64(time.Second)
	since, last, ahead := mark.Input+1, mark.Event, mark.Settled*second
	if mark == (ClockMark{}) {
		since, last, ahead = j.Head().Seq, settled*second, 0
	}
	settled = mark.Settled
	for rec, err := range j.Read(since) {
		if err != nil {
			return 0, fmt.Errorf("reading the journal: %w", err)
		}
		switch {
		case rec.Kind == inputClock:
			last, ahead = rec.At, max(ahead, settled*second)
		case rec.At > ahead:
			last = max(last, rec.At)
		}
		if rec.Kind == inputPeriod {
			in, err := decode[periodInput](rec.Seq, rec.Payload)
			if err != nil {
				return 0, err
			}
			settled = max(settled, in.Start+in.Length)
			if settled*second > rec.At { // by a clock that was put back
				ahead = max(ahead, settled*second)
			}
		}
	}
	return last, nil
}

// LastUsed is the latest event time (Unix nanoseconds) at which a gateway served, as
// far as a mark and the journal's records since then know. What a start alone brings
// says nothing of it: a start may fail before there are counters.
func LastUsed(j *journal.Journal, mark ClockMark) (int64, error) {
	used := mark.Event
	for rec, err := range j.Read(mark.Input + 1) {
		if err != nil {
			return 0, fmt.Errorf("reading the journal: %w", err)
		}
		switch rec.Kind {
		case inputLedger, inputOperations, inputPriceBook, inputPolicy, inputStart:
		case inputClock:
			used = rec.At
		default:
			used = max(used, rec.At)
		}
	}
	return used, nil
}

// ReleasesFrom is the instant before which nothing is released (Unix seconds), a
// day after the latest start or accepted jump (D23).
func (e *Engine) ReleasesFrom() int64 { return floorOf(e.Meta().Started, false) }
