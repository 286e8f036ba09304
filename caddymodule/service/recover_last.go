package service

import (
	"log/slog"
	"time"

	"github.com/tallygate/tallygate/meter/tally"
)

// usedLast is when an earlier run used the ledger last, as far as clock and journal
// know, and what unsettled counters there are of then.
type usedLast struct {
	at            int64 // Unix seconds; 0 where nothing can be missed
	there, before bool  // counters of the period of at, and of one that began before at
}

func (s *Service) usedLast() *usedLast {
	at := int64(0)
	switch {
	case s.wall == nil:
		if now := s.clock.Now().Event / int64(time.Second); now > s.engine.Meta().Created {
			at = now
		}
	case !s.wall.lastKnown.IsZero():
		at = s.wall.lastKnown.Unix()
	}
	if at < s.engine.SettledUntil() {
		at = 0
	}
	return &usedLast{at: at}
}

// within reports whether a tally is of the period in which the ledger was used last.
// Such a one stays although it is empty, or a start that is killed after removing it
// would leave the folder of a ledger that has lost its counters.
func (u *usedLast) within(h tally.Header) bool {
	return u.at != 0 && h.Start <= u.at && u.at < h.Start+h.Length
}

func (u *usedLast) meet(h tally.Header) {
	u.there = u.there || u.within(h)
	u.before = u.before || h.Start <= u.at
}

// complain tells of counters that are not there. Between the end of a period and the
// first call of the next, commands may come before the next has counters: as long as
// those of an earlier one are there, nothing needs to have been counted later.
func (u *usedLast) complain(log *slog.Logger) {
	period := time.Unix(u.at, 0).UTC().Format(time.RFC3339)
	switch {
	case u.at == 0 || u.there:
	case u.before:
		log.Warn("the counters of the period in which the ledger was used last had not been begun, by what is there", "period", period)
	default:
		log.Error("there are no counters of the period in which the ledger was used last: unless it was restored from a backup, calls that were counted are lost",
			"period", period)
	}
}
