package billing

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

// stopsAfterThePeriod settles an hour of which the journal has the record, and
// nobody knows, and does something before it is taken up.
func stopsAfterThePeriod(t *testing.T, meanwhile func(r *rig)) *rig {
	first, most := mendFirst, mendMost
	mendFirst, mendMost = 100*time.Millisecond, 10*time.Millisecond
	t.Cleanup(func() { mendFirst, mendMost = first, most })
	r := openRig(t, t.TempDir(), november)
	t.Cleanup(func() { r.close(t) })
	r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.disk.fail("synced")
	if err := r.Settle(november.Unix(), hour, []account.Count{payPerUse(1, 10)}); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	meanwhile(r)
	r.mended(t)
	r.settle(t, november.Unix(), payPerUse(1, 10))
	r.settle(t, november.Unix()+hour, payPerUse(1, 10))
	if a := r.account(t, "a"); a.Balance != -30 {
		t.Errorf("balance %d, want -30", a.Balance)
	}
	return r
}

// TestPeriodWhoseFileCannotBeRead for a while is taken up when it can be.
func TestPeriodWhoseFileCannotBeRead(t *testing.T) {
	stopsAfterThePeriod(t, func(r *rig) {
		files, err := filepath.Glob(filepath.Join(r.dir, "usage", "*"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		if err := os.Rename(files[0], files[0]+"-kept"); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(time.Minute); r.log.Err() != nil; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the journal is not opened again")
			}
		}
		r.metaLock.RLock() // a few tries on, since what failed must be tried again
		settled := r.meta.Settled
		r.metaLock.RUnlock()
		time.Sleep(10 * mendMost)
		if err := r.writable(); err == nil || settled >= november.Unix()+hour {
			t.Errorf("settled until %d without the usage: %v", settled, err)
		}
		if err := errors.Join(r.Flush(), os.Rename(files[0]+"-kept", files[0])); err != nil {
			t.Fatal(err)
		}
		if n := r.Meta().Folded; n >= r.log.Head().Seq {
			t.Errorf("folded until %d, and record %d is not taken up", n, r.log.Head().Seq)
		}
	})
}

// TestOtherCountsBeforeTheTailIsKnown: counters that were sealed again, with another
// result since some are damaged by now, do not replace the file of a record that
// may be there.
func TestOtherCountsBeforeTheTailIsKnown(t *testing.T) {
	stopsAfterThePeriod(t, func(r *rig) {
		if err := r.Settle(november.Unix(), hour, []account.Count{payPerUse(1, 9)}); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
	})
}

// TestShortPeriodWithoutCounts whose record failed is settled once, and can be
// settled again.
func TestShortPeriodWithoutCounts(t *testing.T) {
	quickly(t)
	for _, place := range journalPlaces {
		t.Run(place, func(t *testing.T) {
			r := openRig(t, t.TempDir(), november)
			defer func() { r.close(t) }()
			short := account.Shortfall{PowerLosses: 1, SyncInterval: time.Second}
			r.disk.fail(place)
			if err := r.SettleShort(november.Unix(), hour, nil, short); !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
			r.mended(t)
			if err := r.SettleShort(november.Unix(), hour, nil, short); err != nil {
				t.Fatal(err)
			}
			if n := len(r.Meta().Shortfalls); n != 1 {
				t.Errorf("%d periods are lower bounds, want 1", n)
			}
			r.settle(t, november.Unix()+hour)
		})
	}
}
