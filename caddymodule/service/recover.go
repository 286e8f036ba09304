package service

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"syscall"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/meter"
	"github.com/tallygate/tallygate/meter/intent"
	"github.com/tallygate/tallygate/meter/tally"
	"github.com/tallygate/tallygate/rating/pricebook"
)

func foldedUntil(store ledger.Store) (uint64, error) {
	meta, err := store.Meta()
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return 0, fmt.Errorf("reading the ledger: %w", err)
	}
	return meta.Folded, nil
}

// openMeter gives the meter the ledger's accounts and the counters that an
// earlier run left unsealed. Of a million accounts both take a second, and to read
// the ones needs nothing of the others: what is removed of the counters, journal and
// sealed files have.
func (s *Service) openMeter() error {
	var tallies []*tally.File
	var opened error
	var opening sync.WaitGroup
	opening.Go(func() { tallies, opened = s.openTallies() })
	instances, err := s.loadAccounts()
	opening.Wait()
	if err = errors.Join(err, opened); err != nil {
		return errors.Join(err, closeTallies(tallies))
	}
	s.resumeTallies(tallies)
	s.meter.SetFloor(s.engine.SettledUntil())
	if _, err = s.meter.Roll(s.clock.Now().Event); err != nil { // on_failure decides what becomes of calls
		s.log.Error("there are no counters yet; it is tried again", "error", err)
	}
	if err := s.resumeImages(instances); err != nil {
		return err
	}
	if s.doubted() {
		return nil
	}
	return s.engine.Reach(s.meter.OldestStart())
}

// loadAccounts also says whether any has an instance.
func (s *Service) loadAccounts() (instances bool, err error) {
	s.putCatalogs()
	s.meter.ExpectKeys(int(s.engine.Meta().Accounts)) // most have one
	var view meter.View
	err = s.engine.LoadAccounts(func(a *account.Account) {
		instances = instances || len(a.Instances) > 0
		view.Fill(a)
		s.meter.Load(view)
		s.herald.note(a)
		for _, k := range a.Keys {
			s.meter.AddKey(meter.KindOf(k.Kind), k.Hash, a.Number, k.Instance)
		}
	})
	if err != nil {
		return false, fmt.Errorf("loading the accounts: %w", err)
	}
	return instances, nil
}

// resumeImages records as uncertain what adds and deletes of an earlier run may
// have done (D28). A ledger that has instances has the file of them.
func (s *Service) resumeImages(instances bool) error {
	lost := instances && !s.meter.HasIntents()
	changes, err := s.meter.RecoverIntents()
	if lost && err == nil {
		err = fmt.Errorf("%w: the file was not there", intent.ErrDamaged)
	}
	switch {
	case errors.Is(err, intent.ErrDamaged):
		s.log.Error("the record of adds and deletes of an earlier run is damaged: reconcile the instances that had any", "error", err)
	case err != nil:
		return fmt.Errorf("adds and deletes of an earlier run: %w", err)
	}
	for _, c := range changes {
		if _, _, err := s.engine.ChangeImages(c); err != nil {
			return fmt.Errorf("recording images of unknown outcome: %w", err)
		}
		s.log.Warn("an add or a delete may have happened: the image counts until it is reconciled", "account", c.Account, "instance", c.Instance)
	}
	failpoint.Hit("recover/images")
	return s.meter.ForgetIntents()
}

// openTallies opens the counters of earlier runs that are to be taken up, in order.
// A tally of a period that the ledger has settled is left from a run that ended
// before it could remove it; an empty one may have been made ahead of its time.
func (s *Service) openTallies() (open []*tally.File, err error) {
	if err := tally.Sweep(s.path("tally")); err != nil {
		return nil, err
	}
	paths, err := tally.List(s.path("tally"))
	if err != nil {
		return nil, err
	}
	last := s.usedLast()
	for _, path := range paths {
		f, report, err := tally.Open(tally.Config{SyncInterval: s.config.SyncInterval, MakeRoom: s.guard.makeRoom, OnSyncError: s.meter.SyncFailed}, path)
		if errors.Is(err, syscall.ENOSPC) && tally.Blank(path) { // it was being made when the disk became full
			if err := tally.Remove(path); err != nil {
				return open, err
			}
			continue
		}
		if err != nil {
			return open, fmt.Errorf("counters of an earlier run: %w", err)
		}
		settled := f.Header().Start < s.engine.SettledUntil()
		if !settled { // else nothing of it is missed
			s.complain(path, f, report)
			last.meet(f.Header())
		}
		if settled || s.ahead(f) || empty(f) && !last.keeps(f.Header()) {
			failpoint.Hit("recover/settled-tally")
			if err := errors.Join(f.Close(), f.Remove()); err != nil {
				return open, err
			}
			continue
		}
		open = append(open, f)
	}
	last.complain(s.log)
	return open, nil
}

func closeTallies(open []*tally.File) (err error) {
	for _, f := range open {
		err = errors.Join(err, f.Close())
	}
	return err
}

// resumeTallies lets the meter take up counters, oldest first.
func (s *Service) resumeTallies(open []*tally.File) {
	for i, f := range open {
		end := int64(math.MaxInt64 / int64(time.Second))
		if i+1 < len(open) {
			end = open[i+1].Header().Start
		}
		failpoint.Hit("recover/tally")
		s.meter.Resume(f, end)
	}
}

// damagesTold is how many damaged counters of a file the log names.
const damagesTold = 20

// complain tells what a resume found wrong with a tally.
func (s *Service) complain(path string, f *tally.File, report tally.Report) {
	for _, fault := range report.Faults {
		s.log.Error("counters of an earlier run were damaged, and have been put right as far as they go", "file", path, "error", fault)
	}
	switch short := f.Shortfall(); {
	case short.Damaged > 0:
		s.log.Error("counts of an earlier run may be too low: counters were damaged; the statements will say so", "file", path,
			"damaged counters", short.Damaged, "power losses", short.PowerLosses)
	case short.PowerLosses > 0:
		s.log.Warn("the machine lost power: calls of the last sync interval may be missing; the statements will say so", "file", path,
			"power losses", short.PowerLosses, "sync interval", short.SyncInterval.String())
	}
	for i, d := range report.Damaged {
		if i == damagesTold {
			s.log.Error("more counters were damaged", "file", path, "counters", len(report.Damaged)-i)
			break
		}
		s.log.Error("a counter was damaged", "file", path, "damage", fmt.Sprint(d))
	}
}

// empty reports whether nothing is counted in a tally, and nothing can be missing.
func empty(f *tally.File) bool { return !counted(f) && f.Shortfall().None() }

// ahead reports whether a tally was made ahead of its time and nothing is counted
// in it: nothing can be missing either, and it must not end the period before its
// time. After a clock was put back, the period that follows what is settled is the
// present one, wherever it begins.
func (s *Service) ahead(f *tally.File) bool {
	return f.Header().Start > max(s.clock.Now().Event/int64(time.Second), s.engine.SettledUntil()) && !counted(f)
}

func counted(f *tally.File) bool {
	for _, c := range f.Each() {
		if c.Calls > 0 {
			return true
		}
	}
	return false
}

// putCatalogs tells the meter which operations each price book has.
func (s *Service) putCatalogs() {
	var list []*meter.Catalog
	s.engine.EachBook(func(from int64, b *pricebook.Book) {
		list = append(list, meter.NewCatalog(from*int64(time.Second), s.operations(b)))
	})
	s.meter.SetCatalogs(list)
}

func (s *Service) operations(b *pricebook.Book) []meter.Operation {
	classes := map[string]meter.Class{pricebook.Search: meter.ClassSearch, pricebook.Add: meter.ClassAdd, pricebook.Delete: meter.ClassDelete}
	var ops []meter.Operation
	for i := range b.Operations {
		op := &b.Operations[i]
		number, ok := s.engine.OperationNumber(op.Name)
		if !ok {
			panic("service: operation " + op.Name + " of a journalled price book has no number")
		}
		ops = append(ops, meter.Operation{Number: number, Name: op.Name, Service: op.Service(), Subscribed: op.Funding == pricebook.Subscribed,
			Class: classes[op.Class], Free: uint64(op.FreePerMonth), QPS: uint32(op.QPS), Price: op, Currency: b.Currency})
	}
	return ops
}

// watcher passes on what commands, settlements and time change.
type watcher struct {
	m           *meter.Meter
	h           *herald
	putCatalogs func()
}

func (w watcher) AccountChanged(a *account.Account) {
	w.m.Update(meter.ViewOf(a))
	w.h.note(a)
}
func (w watcher) Happened(a *account.Account, v account.Event) {
	w.h.tell(Notice{Account: a.ID, Customer: a.Customer, Event: v})
}
func (w watcher) Lower(number uint32, instance string, most int64) (held int64, ok bool) {
	return w.m.Lower(number, instance, most)
}
func (w watcher) KeyAdded(a *account.Account, k account.Key) {
	w.m.AddKey(meter.KindOf(k.Kind), k.Hash, a.Number, k.Instance)
}
func (w watcher) KeyRemoved(k account.Key) { w.m.RemoveKey(k.Hash) }
func (w watcher) BookScheduled()           { w.putCatalogs() }
