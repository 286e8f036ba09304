package billing

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// TestDueIsJournalledOnlyWhenSomethingIs: looking costs no record.
func TestDueIsJournalledOnlyWhenSomethingIs(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	r.must(t, ids[2], &account.TopUp{Amount: "5.00", Reference: "r"})
	r.must(t, ids[2], &account.BuyPackage{Package: "tagging-50"})
	head := func() uint64 { return r.log.Head().Seq }
	for _, step := range []struct {
		at      time.Time
		records uint64
	}{
		{november.AddDate(0, 0, 14), 0},
		{november.AddDate(0, 0, 15).Add(time.Second), 1}, // expires in 15 days
		{november.AddDate(0, 0, 15).Add(time.Minute), 0},
		{november.AddDate(0, 0, 29), 1}, // two notices, one record
		{november.AddDate(0, 0, 29), 0},
	} {
		before := head()
		r.live(t, step.at.Unix())
		if got := head() - before; got != step.records {
			t.Errorf("%s: %d records, want %d", step.at, got, step.records)
		}
	}
	if got := kinds(r.events(t, ids[2]), account.NoticeExpiry); len(got) != 4 {
		t.Errorf("%d notices of expiry, want 4", len(got))
	}
	r.survives(t)
}

// TestLoadedDues: after a start no block is looked at in which nothing can be due,
// and none is passed over in which something is.
func TestLoadedDues(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	r.must(t, ids[2], &account.TopUp{Amount: "5.00", Reference: "r"})
	r.must(t, ids[2], &account.BuyPackage{Package: "tagging-50"})
	r.close(t)
	r.open(t)
	block := ledger.BlockOf(r.account(t, ids[2]).Number)
	for n, at := range r.dues.at {
		want := int64(never)
		if uint32(n) == block {
			want = november.AddDate(0, 0, 15).Unix() // 15 days before the package ends
		}
		if at != want {
			t.Errorf("block %d: something is due at %d, want %d", n, at, want)
		}
	}
	r.live(t, november.AddDate(0, 0, 16).Unix())
	if got := kinds(r.events(t, ids[2]), account.NoticeExpiry); len(got) != 1 {
		t.Errorf("%d notices of expiry, want 1", len(got))
	}
}

// TestDueThatDiedHalfway: an instant that some blocks have lived through when
// the gateway is killed is lived through by the others with what was in force
// then, also if the policy has changed since (D20).
func TestDueThatDiedHalfway(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	law := account.Law{Grace: 10 * day, Retention: 5 * day}
	if err := r.SetPolicy(account.Policy{Law: law}); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		r.must(t, id, &account.TopUp{Amount: "5.00", Reference: "r"})
		r.must(t, id, &account.BuyPackage{Package: "tagging-50"})
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	until := december.Unix() + hour
	r.now = until * 1e9
	if err := r.Reach(december.Unix()); err != nil {
		t.Fatal(err)
	}
	if err := r.append(inputDue, dueInput{Until: until}); err != nil {
		t.Fatal(err)
	}
	r.account(t, ids[1]) // its block has it
	if err := r.SetPolicy(account.Policy{Law: account.Law{Grace: 1, Retention: 1}}); err != nil {
		t.Fatal(err)
	}
	r.must(t, ids[2], &account.TopUp{Amount: "1.00", Reference: "r"})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.crash(t)
	r.open(t)
	b := r.survives(t)
	for _, id := range ids {
		if got := kinds(b.Events[id], account.EventPackageExpired); len(got) != 1 {
			t.Errorf("%s: expired %d times", id, len(got))
		}
		if p := b.Accounts[id].Packages[0]; p.Renewable != p.End+law.Grace+law.Retention {
			t.Errorf("%s: renewable for %d s after its end, want those of the law then", id, p.Renewable-p.End)
		}
	}
	r.verified(t)
}

// TestAutoRenewalIsTriedAtEverySettlement of the last day (D17), also in an
// account that nobody calls, and in the month of its instant.
func TestAutoRenewalIsTriedAtEverySettlement(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	none := "0.00"
	for i, id := range ids {
		r.must(t, id, &account.ChangeAccount{CreditLimit: &none})
		r.must(t, id, &account.TopUp{Amount: []string{"1.00", "0.50", "0.50"}[i], Reference: "r"})
		r.must(t, id, &account.BuyPackage{Package: "tagging-50", AutoRenew: true})
	}
	end := december.Unix()
	for at := end - 30*hour; at <= end; at += hour {
		r.live(t, at)
		if at == end-10*hour {
			r.must(t, ids[1], &account.TopUp{Amount: "0.50", Reference: "in time"})
		}
	}
	b := r.survives(t)
	for i, id := range ids {
		renewed := kinds(b.Events[id], account.EventAutoRenewed, account.NoticeRenewalFailed)
		want := []account.EventKind{account.EventAutoRenewed}
		if i == 2 {
			want[0] = account.NoticeRenewalFailed
		}
		if !reflect.DeepEqual(renewed, want) {
			t.Errorf("%s: %v, want %v", id, renewed, want)
		}
		if last := b.Movements[id][len(b.Movements[id])-1]; i < 2 && (last.Kind != account.MovePackageRenewal || last.At != (end-[]int64{24, 9}[i]*hour)*1e9) {
			t.Errorf("%s: last movement %+v", id, last)
		}
	}
}

// TestDueWaitsForTheSettlement: at equal instants it comes first (D13). A renewal
// that the hour's debit leaves no money for is not paid, although somebody looks
// before the hour is settled.
func TestDueWaitsForTheSettlement(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	id, none := ids[0], "0.00"
	r.must(t, id, &account.ChangeAccount{CreditLimit: &none})
	r.must(t, id, &account.TopUp{Amount: "1.00", Reference: "r"})
	r.must(t, id, &account.BuyPackage{Package: "tagging-50", AutoRenew: true})
	first := december.Unix() - 24*hour // of the attempts
	r.live(t, first-1)
	r.now = (first + 2) * 1e9
	if err := r.Due(first + 2); err != nil {
		t.Fatal(err)
	}
	r.settle(t, first-hour, payPerUse(1, 10))
	r.live(t, first+2)
	if got := kinds(r.events(t, id), account.EventAutoRenewed); len(got) != 0 || r.account(t, id).Balance != 35 {
		t.Fatalf("%v, balance %d", got, r.account(t, id).Balance)
	}
	r.must(t, id, &account.TopUp{Amount: "1.00", Reference: "r"})
	r.live(t, first+hour)
	if got := kinds(r.events(t, id), account.EventAutoRenewed); len(got) != 1 {
		t.Errorf("%v", got)
	}
	r.survives(t)
}

// TestDueOfABlockThatWentAhead: a flush that died between a new block and what
// the ledger says of itself hides nothing that is due in the block.
func TestDueOfABlockThatWentAhead(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.createMany(t, 63)
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	g := r.gated()
	g.set(func(s ledger.Step) error {
		s.Meta = nil
		return errors.Join(provenStore{r.store}.Commit(s), ledger.ErrNoSpace)
	})
	r.must(t, "late", &account.CreateAccount{CreditLimit: "1.00"}) // number 64
	r.must(t, "late", &account.BuyPackage{Package: "tagging-50"})
	if err := r.Flush(); !errors.Is(err, ledger.ErrNoSpace) {
		t.Fatal(err)
	}
	r.crash(t)
	r.open(t)
	r.live(t, december.Unix()+hour)
	if got := kinds(r.events(t, "late"), account.EventPackageExpired); len(got) != 1 {
		t.Errorf("expired %d times", len(got))
	}
}
