package tally

import (
	"slices"

	"github.com/tallygate/tallygate/account"
)

// mostAccounts is how many accounts a shortfall names; more are anybody.
const mostAccounts = 64

// Shortfall is what may be missing of the tally's counts, by all that its resumes
// and Mend have found.
func (f *File) Shortfall() account.Shortfall {
	r := f.report
	s := account.Shortfall{Damaged: uint64(r.SideSkipped), PowerLosses: uint64(r.PowerLosses), SyncInterval: f.cfg.SyncInterval}
	anybody := !s.None() // whose batch was skipped, or was lost, nobody knows
	for _, d := range r.Damaged {
		if d.LaterLost {
			s.Damaged++
			anybody = anybody || !d.LineKnown
			s.Accounts = append(s.Accounts, d.Line.Account)
		}
	}
	slices.Sort(s.Accounts)
	if s.Accounts = slices.Compact(s.Accounts); anybody || len(s.Accounts) > mostAccounts {
		s.Accounts = nil
	}
	return s
}

// Mend holds every slot against its check, and gives those that fail what the
// side file has of them, as a resume does. Nothing may be counted any more.
func (f *File) Mend() error {
	f.syncMu.Lock()
	defer f.syncMu.Unlock()
	if f.sound() {
		return nil
	}
	return f.recover(mapHeaderBytes + int64(f.slots.length.Load())*chunkBytes)
}

// sound reports whether all slots in use pass their checks.
func (f *File) sound() bool {
	for n := range f.used.Load() {
		if f.slots.slot(n).load().check(f.header.id, n) != stateLive {
			return false
		}
	}
	return true
}
