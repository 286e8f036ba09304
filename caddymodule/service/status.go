package service

import (
	"encoding/hex"
	"os"
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
	st.LastSeal, st.LastSettlement = s.past.both()
	st.SettlementLag, st.SyncLimit = s.lag(), s.syncLimit()
	st.DiskFree, st.DiskReserve, _ = s.guard.disk() // Health has the error
	st.Anchor = s.anchorState()
	x, at, err := s.Exposure()
	st.Unsettled, st.Debts, st.ExposureAsOf = s.engine.Currency.Format(x.Unsettled), s.engine.Currency.Format(x.Debts), at.In(s.config.Zone)
	if err != nil {
		st.Problems = append(st.Problems, "exposure: "+err.Error())
	}
	for _, c := range s.Health() {
		if c.Err != nil {
			st.Problems = append(st.Problems, c.Name+": "+c.Err.Error())
		}
	}
	if book := s.engine.BookAt(now.Unix()); book != nil {
		st.PriceBook = book.Hash
	}
	return st
}

// anchorState is nil where no anchor is configured.
func (s *Service) anchorState() *web.AnchorState {
	if s.config.Anchor == "" {
		return nil
	}
	head, _ := s.journal.Anchored() // Health has the error
	state := &web.AnchorState{Seq: head.Seq}
	if info, err := os.Stat(s.config.Anchor); err == nil {
		state.Age = max(0, time.Since(info.ModTime()))
	}
	return state
}

// Pace is how long a settlement period is, and how long it waits for its calls.
func (s *Service) Pace() (period, sealWait time.Duration) {
	set := s.settings.Load()
	return set.FlushInterval, set.SealWait
}
