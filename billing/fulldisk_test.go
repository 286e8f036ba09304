package billing

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// TestStartOnAFullDisk: what the store does not take of the journal's tail stays
// in memory; accounts are served from there, and nothing is accepted.
func TestStartOnAFullDisk(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.createMany(t, 70)
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.must(t, "a0", &account.TopUp{Amount: "1.00", Reference: "r"})
	r.must(t, "late", &account.CreateAccount{})
	r.crash(t)
	r.openFiles(t)
	full := ledger.ErrNoSpace
	g := &gate{Store: provenStore{r.store}}
	g.set(func(ledger.Step) error { return full })
	config := r.Config
	config.Store, config.Journal = g, r.log
	var err error
	if r.Engine, err = Open(config); err != nil {
		t.Fatal(err)
	}
	numbers := map[uint32]string{}
	if err := r.EachAccount(func(a *account.Account) bool { numbers[a.Number] = a.ID; return true }); err != nil {
		t.Fatal(err)
	}
	if len(numbers) != 71 || numbers[71] != "late" || r.account(t, "a0").Balance != 100 {
		t.Errorf("%d accounts, the last %q; a0 has %d", len(numbers), numbers[71], r.account(t, "a0").Balance)
	}
	for n := range 3 {
		req := Request{Key: fmt.Sprint(n), Account: "a0", Command: &account.TopUp{Amount: "1.00", Reference: "r"}}
		if _, err := r.Do(req); !errors.Is(err, ledger.ErrNoSpace) || !errors.Is(err, ErrUnavailable) {
			t.Fatalf("a command: %v", err)
		}
	}
	g.commit.Store(nil)
	r.mended(t)
	r.must(t, "late", &account.TopUp{Amount: "1.00", Reference: "r"})
}

// TestRoomComesBack: what there is room for again is accepted before the ledger has
// followed; so it is at a start, which must be able to record what it finds.
func TestRoomComesBack(t *testing.T) {
	r := &rig{dir: t.TempDir(), config: book, now: november.UnixNano(), room: func() error { return nil }}
	r.open(t)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
	r.must(t, "a", &account.Subscribe{Instance: "i", Row: "small", Months: 1, Trial: true})
	g := r.gated()
	g.set(func(ledger.Step) error { return ledger.ErrNoSpace })
	if err := r.Flush(); !errors.Is(err, ledger.ErrNoSpace) {
		t.Fatal(err)
	}
	_, uncertain, err := r.ChangeImages(account.ImageChange{Image: account.Image{Account: 1, Instance: 1}, Kind: account.ImageUncertain})
	if err != nil || uncertain != 1 {
		t.Errorf("%d uncertain, %v", uncertain, err)
	}
	r.must(t, "a", &account.TopUp{Amount: "1.00", Reference: "r"})
	g.commit.Store(nil)
}
