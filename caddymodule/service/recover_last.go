package service

import (
	"log/slog"
	"math"
	"time"

	"github.com/tallygate/tallygate/meter/tally"
)

// usedLast is when an earlier run used the ledger last, as far as clock and journal
// know, and what unsettled counters there are of then.
type usedLast struct {
	at     int64 // Unix seconds; 0 where nothing can be missed
	leeway int64 // so many seconds may pass before a period that has begun has counters
	there  bool  // counters of the period of at
	before bool  // counters of one that ended no longer ago than the leeway
}

// beginsWithin is what a period's counters take to be made, if not for failures: a tick
// makes them each second, and any call.
const beginsWithin = 5

func (s *Service) usedLast() *usedLast {
	u := &usedLast{leeway: beginsWithin}
	switch {
	case s.wall != nil:
		u.at = s.wall.lastUsed / int64(time.Second)
	case s.clock.Now().Event/int64(time.Second) > s.engine.Meta().Created:
		u.at, u.leeway = s.clock.Now().Event/int64(time.Second), math.MaxInt64 // it is put forward first
	}
	if u.at < s.engine.SettledUntil() {
		u.at = 0
	}
	return u
}

// keeps reports whether empty counters stay: they are settled as any others. If they
// were removed, a start that is killed before it has made new ones would leave the
// folder of a ledger that has lost its counters.
func (u *usedLast) keeps(h tally.Header) bool { return u.at != 0 && h.Start <= u.at }

// meet notes unsettled counters.
func (u *usedLast) meet(h tally.Header) {
	if h.Start > u.at {
		return
	}
	end := h.Start + h.Length
	u.there = u.there || u.at < end
	u.before = u.before || u.at-end < u.leeway
}

// complain tells of counters that are not there. A command may come between the end of
// a period and the making of the next one's counters.
func (u *usedLast) complain(log *slog.Logger) {
	period := time.Unix(u.at, 0).UTC().Format(time.RFC3339)
	switch {
	case u.at == 0 || u.there:
	case u.before:
		log.Warn("there are no counters of the period in which the ledger was used last: most likely, it had just begun", "period", period)
	default:
		log.Error("there are no counters of the period in which the ledger was used last: unless it was restored from a backup, calls that were counted are lost",
			"period", period)
	}
}
