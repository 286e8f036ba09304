package service

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/ledger"
)

// look finds what is missing or damaged, and where it can be had.
func (r *repair) look() error {
	var err error
	r.old, err = openOld(r.path("badger"), r.path(readingDir), r.Logger)
	if errors.Is(err, ledger.ErrNoSpace) || errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("a repair needs room for a second database: %w", err)
	}
	if err != nil {
		r.find(Finding{What: "badger", Problem: err.Error(), Cure: "it is made again"})
	}
	if err := r.lookJournal(); err != nil {
		return err
	}
	if err := r.lookFiles(); err != nil {
		return err
	}
	if err := r.lookCounters(); err != nil {
		return err
	}
	r.plan.Dir = r.Dir
	for _, name := range r.Without {
		if !r.givenUp(name) {
			return fmt.Errorf("--without %s: that file is not missing or damaged", name)
		}
	}
	return nil
}

func (r *repair) givenUp(name string) bool {
	return slices.ContainsFunc(r.losses, func(f billing.NamedFile) bool { return f.Name == name }) || slices.Contains(r.away, name) ||
		slices.ContainsFunc(r.plan.Lost, func(l billing.Lost) bool { return l.File == name }) // by this command, when it was killed
}
