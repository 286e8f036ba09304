package service

import (
	"encoding/hex"
	"time"

	"github.com/tallygate/tallygate/web"
)

// Status is how the gateway is.
func (s *Service) Status() web.Status {
	meta, head := s.engine.Meta(), s.journal.Head()
	now := s.Now()
	st := web.Status{Ledger: meta.ID, Node: s.config.Node, Now: now.In(s.config.Zone), TestClock: s.config.Test,
		Currency: meta.Currency, Timezone: meta.Zone, Accounts: meta.Accounts,
		SettledUntil: time.Unix(s.engine.SettledUntil(), 0).In(s.config.Zone), SyncAge: s.meter.SyncAge(),
		JournalHead: head.Seq, JournalHash: hex.EncodeToString(head.Hash[:]), Folded: meta.Folded,
		Unmetered: s.meter.Unmetered()}
	clock := s.Clock()
	st.ClockSuspended, st.ClockDisagreement = clock.Suspended, clock.Disagreement
	if book := s.engine.BookAt(now.Unix()); book != nil {
		st.PriceBook = book.Hash
	}
	for _, problem := range []error{s.engine.Refusing(), s.meter.Failing()} {
		if problem != nil {
			st.Problems = append(st.Problems, problem.Error())
		}
	}
	return st
}

// Pace is how long a settlement period is, and how long it waits for its calls.
func (s *Service) Pace() (period, sealWait time.Duration) {
	set := s.settings.Load()
	return set.FlushInterval, set.SealWait
}
