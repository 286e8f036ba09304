package billing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

// TestCommandsOfOneAccountAreSerialised: concurrent purchases never spend more
// than there is, and one idempotency key is one top-up.
func TestCommandsOfOneAccountAreSerialised(t *testing.T) {
	r := openRig(t, t.TempDir(), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	defer r.close(t)
	r.must(t, "acme", &account.CreateAccount{Account: "acme"})
	var all sync.WaitGroup
	var mu sync.Mutex
	bought, repeated := 0, 0
	for range 50 {
		all.Go(func() {
			res, err := r.Do(Request{Key: "once", Account: "acme", Command: &account.TopUp{Amount: "5.00", Reference: "r"}})
			if err != nil {
				t.Error(err)
			}
			_, err = r.Do(Request{Account: "acme", Command: &account.BuyPackage{Package: "tagging-50"}})
			mu.Lock()
			defer mu.Unlock()
			if res.Repeated {
				repeated++
			}
			var no *account.Error
			switch {
			case err == nil:
				bought++
			case !errors.As(err, &no) || no.Why != account.Unpaid:
				t.Error(err)
			}
		})
	}
	all.Wait()
	a, err := r.Account("acme")
	if err != nil {
		t.Fatal(err)
	}
	if bought != 10 || repeated != 49 || a.Balance != 0 {
		t.Errorf("%d packages bought of 10, %d top-ups repeated of 49, balance %d", bought, repeated, a.Balance)
	}
}

// TestKeysAreOneAccounts: a key that an account has is refused to others until
// it is revoked there.
func TestKeysAreOneAccounts(t *testing.T) {
	r := openRig(t, t.TempDir(), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	defer func() { r.close(t) }()
	hash := sha256.Sum256([]byte("secret"))
	add := func(id string) error {
		_, err := r.Do(Request{Account: id, Command: &account.AddKey{Key: "k", Kind: account.SecretKey, Hash: hex.EncodeToString(hash[:])}})
		return err
	}
	for _, id := range []string{"a", "b"} {
		r.must(t, id, &account.CreateAccount{Account: id})
	}
	for range 2 {
		if err := add("a"); err != nil {
			t.Fatal(err)
		}
		r.crash(t)
		r.open(t)
		var no *account.Error
		if err := add("b"); !errors.As(err, &no) || no.Why != account.Conflict {
			t.Fatalf("another account got the key: %v", err)
		}
		r.must(t, "a", &account.RevokeKey{Key: "k"})
	}
	if err := add("b"); err != nil {
		t.Fatal(err)
	}
}

// TestSettledPeriodIsRefusedTwice (D6).
func TestSettledPeriodIsRefusedTwice(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r := openRig(t, t.TempDir(), start)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{Account: "a", CreditLimit: "10.00"})
	counts := []account.Count{{Line: account.Line{Account: 1, Operation: 1, Kind: account.PayPerUse}, Calls: 10}}
	if err := r.Settle(start.Unix(), 3600, counts); err != nil {
		t.Fatal(err)
	}
	r.crash(t)
	r.open(t)
	if err := r.Settle(start.Unix(), 3600, counts); err == nil {
		t.Error("an hour was settled twice")
	}
	if a, _ := r.Account("a"); a.Balance != -15 {
		t.Errorf("balance %d, want -15", a.Balance)
	}
}
