package billing

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/rating"
)

func (in *periodInput) setShortfall(s account.Shortfall) {
	if !s.None() {
		in.Damaged, in.PowerLosses, in.SyncInterval, in.Concerned = s.Damaged, s.PowerLosses, s.SyncInterval, s.Accounts
	}
}

func (in periodInput) shortfall() account.Shortfall {
	return account.Shortfall{Damaged: in.Damaged, PowerLosses: in.PowerLosses, SyncInterval: in.SyncInterval, Accounts: in.Concerned}
}

// noteShortfall remembers a period whose counts are a lower bound, copy on write
// since readers hold the slice. The tail of the journal may be folded again. The
// caller holds the meta lock.
func (e *Engine) noteShortfall(seq uint64, in periodInput) {
	known := slices.ContainsFunc(e.meta.Shortfalls, func(s ledger.Shortfall) bool { return s.Input == seq })
	if short := in.shortfall(); !short.None() && !known {
		e.meta.Shortfalls = append(slices.Clip(e.meta.Shortfalls),
			ledger.Shortfall{Input: seq, Start: in.Start, Length: in.Length, Shortfall: short})
	}
}

// shortfalls are the periods in [start, end) of whose calls of an account some
// may be missing, in words.
func (e *Engine) shortfalls(number uint32, start, end int64) (list []rating.LowerBound) {
	for _, s := range e.Meta().Shortfalls {
		if s.Start < start || s.Start >= end || !s.Concerns(number) {
			continue
		}
		b := rating.LowerBound{From: time.Unix(s.Start, 0).In(e.Zone), Until: time.Unix(s.Start+s.Length, 0).In(e.Zone),
			Damaged: s.Damaged, PowerLosses: s.PowerLosses, Why: whyShort(s.Shortfall)}
		if s.PowerLosses > 0 {
			b.SyncInterval = s.SyncInterval.String()
		}
		list = append(list, b)
	}
	return list
}

// shortfalls holds the periods that the ledger says are lower bounds against those
// of the journal, as far as it was read.
func (f *refold) shortfalls() []Difference {
	var have []ledger.Shortfall
	for _, s := range f.live.Meta().Shortfalls {
		if s.Input < f.next {
			have = append(have, s)
		}
	}
	want := f.engine.Meta().Shortfalls
	if shown(have) == shown(want) {
		return nil
	}
	return []Difference{{Account: "all accounts", What: "periods whose counts are a lower bound", Ledger: shown(have), Recomputed: shown(want)}}
}

func whyShort(s account.Shortfall) string {
	var why []string
	if s.Damaged > 0 {
		why = append(why, many(s.Damaged, "counter was", "counters were")+" damaged: calls after their last sync may be missing")
	}
	if s.PowerLosses > 0 {
		why = append(why, fmt.Sprintf("the machine lost power %s: at most the calls of %s, and of the sync that ran, are missing",
			many(s.PowerLosses, "time", "times"), s.SyncInterval))
	}
	return strings.Join(why, "; ")
}

func many(n uint64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
