package billing

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tallygate/tallygate/account"
)

func trial(instance string) *account.Subscribe {
	return &account.Subscribe{Instance: instance, Row: "small", Months: 1, Trial: true}
}

// TestTrialIsOnceForEver: a customer has one, on whatever account, over restarts,
// a lost ledger, and the release of who had it (D29).
func TestTrialIsOnceForEver(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.createMany(t, 70)
	for _, id := range []string{"first", "second"} {
		r.must(t, id, &account.CreateAccount{Customer: "acme"})
	}
	other := r.numbered(t, 1)
	r.must(t, "first", trial("shop"))
	again := func(when string) {
		t.Helper()
		for _, id := range []string{"first", "second"} {
			_, err := r.Do(Request{Account: id, Command: trial("other")})
			if no := new(account.Error); !errors.As(err, &no) || no.Why != account.Conflict || no.Field != "trial" {
				t.Fatalf("%s, a trial for %s: %v", when, id, err)
			}
		}
	}
	again("at once")
	for _, flush := range []func() error{r.Flush, r.Flush, r.Flush} {
		if err := flush(); err != nil {
			t.Fatal(err)
		}
		again("after a flush")
	}
	r.live(t, november.Unix()+60*day) // the instance is released
	if i := r.account(t, "first").Instances[0]; i.Released == 0 {
		t.Fatal("not released")
	}
	r.must(t, "first", &account.AcknowledgeRelease{Instance: "shop"})
	again("after the release")
	r.crash(t)
	r.open(t)
	again("after a crash")
	r.survives(t)
	again("after a refold")
	r.must(t, other, trial("shop")) // another customer
}

// TestTrialAtOnce: of fifty that are asked for at once, on accounts of several
// blocks, one is given.
func TestTrialAtOnce(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	const accounts = 150
	var all sync.WaitGroup
	for i := range accounts {
		all.Go(func() { r.must(t, fmt.Sprintf("a%d", i), &account.CreateAccount{Customer: "acme"}) })
	}
	all.Wait()
	var given, refused atomic.Int32
	for i := range 50 {
		all.Go(func() {
			_, err := r.Do(Request{Account: fmt.Sprintf("a%d", 3*i), Command: trial("shop")})
			no := new(account.Error)
			switch {
			case err == nil:
				given.Add(1)
			case errors.As(err, &no) && no.Why == account.Conflict:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Go(func() {
		for range 20 {
			if err := r.Flush(); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	if given.Load() != 1 || refused.Load() != 49 {
		t.Fatalf("%d trials given, %d refused", given.Load(), refused.Load())
	}
	r.survives(t)
}
