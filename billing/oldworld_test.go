package billing

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// richText has tiers of both kinds and bases, and packages.
const richText = bookText + `  - service: other
    operations: {other/search: search}
    delete_qps: 20
    rows:
      - {id: other-1, images: 10, qps: 1, price: 1.00}
`

func richBook(t *testing.T, text string) *pricebook.Book {
	t.Helper()
	b, err := pricebook.Parse("book.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// liveRichly is five months of a ledger in which everything happens: each kind of
// input, each command, states of arrears up to a release, month ends, a price book
// scheduled and one configured, restarts and a kill, damaged counters, a period that
// is lost, a jump of the clock.
func liveRichly(t *testing.T, dir string) *rig {
	r := &rig{dir: dir, now: november.UnixNano(), config: richBook(t, richText), segment: oldSegment}
	r.open(t)
	if err := r.SetPolicy(account.DefaultPolicy); err != nil {
		t.Fatal(err)
	}
	key := 0
	do := func(id string, cmd account.Command) {
		t.Helper()
		key++
		r.now += 1_000_000_007
		if _, err := r.Do(Request{Key: fmt.Sprint("key ", key), Account: id, Command: cmd}); err != nil {
			t.Fatalf("%s %s: %v", id, cmd.Type(), err)
		}
	}
	richAccounts(r, do)
	richImages(t, r, do)
	richMonth(t, r, november)

	r.close(t) // a start, with another book: from the next month on
	text := strings.Replace(richText, "price: 0.0151", "price: 0.0149", 1)
	r.config = richBook(t, text)
	r.open(t)
	r.live(t, november.AddDate(0, 0, 20).Unix())
	do("acme", &account.RenewPackage{Package: 1})
	do("acme", &account.SetAutoRenewal{Package: 2, On: true})
	do("acme", &account.RenewSubscription{Instance: "shop", Row: "large", Months: 2})
	r.live(t, november.AddDate(0, 1, 0).Unix())
	richMonth(t, r, november.AddDate(0, 1, 0))
	later := richBook(t, strings.Replace(text, "price: 8.01", "price: 9.02", 1))
	if err := r.SchedulePriceBook(later, november.AddDate(0, 2, 10).Unix()); err != nil {
		t.Fatal(err)
	}
	policy := account.DefaultPolicy
	policy.Grace, policy.AllowInGrace, policy.EndOfDay = 10*day, true, true
	if err := r.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	r.live(t, november.AddDate(0, 2, 0).Unix())
	r.crash(t)
	r.lose(t, 4, true)
	r.loseLedger(t)
	r.open(t)
	richMonth(t, r, november.AddDate(0, 2, 0))
	jump := r.now + 5*day*1e9
	if err := r.AcceptClock(r.now, jump); err != nil {
		t.Fatal(err)
	}
	r.now = jump
	r.live(t, november.AddDate(0, 3, 0).Unix()) // poor's debt has grown old, and so has its subscription
	r.live(t, november.AddDate(0, 3, 3).Unix())
	do("poor", &account.AcknowledgeRelease{})
	do("poor", &account.TopUp{Amount: "1.00", Reference: "too late"})
	do("acme", &account.TopUp{Amount: "2.50", Reference: "wire 3"})
	return r
}

func richAccounts(r *rig, do func(string, account.Command)) {
	limit, low := "5.00", "1.00"
	for n := range 66 { // more than a block
		id := map[int]string{0: "acme", 1: "poor", 65: "last"}[n]
		if id == "" {
			id = fmt.Sprint("a", n)
		}
		r.now++
		cmd := &account.CreateAccount{CreditLimit: "0.00"}
		if n == 0 {
			cmd.Customer, cmd.LowBalance = "acme-group", "0.50"
		}
		do(id, cmd)
	}
	do("acme", &account.ChangeAccount{CreditLimit: &limit, LowBalance: &low})
	for _, name := range []string{"one", "two"} {
		hash := sha256.Sum256([]byte(name))
		do("acme", &account.AddKey{Key: name, Kind: account.SecretKey, Hash: hex.EncodeToString(hash[:]), Label: "label of " + name})
	}
	do("acme", &account.RevokeKey{Key: "one"})
	do("acme", &account.TopUp{Amount: "100.00", Reference: "wire 1"})
	do("acme", &account.Adjust{Amount: "-0.37", Reason: "a mistake", Reference: "ticket"})
	do("acme", &account.BuyPackage{Package: "tagging-50", AutoRenew: true})
	do("acme", &account.AddRow{Row: "own", Service: "search", MaxImages: 50, Search: 7, Add: 7, Delete: 20, Price: "11.11"})
	do("acme", &account.Subscribe{Instance: "free", Row: "small", Months: 1, Trial: true})
	do("acme", &account.Subscribe{Instance: "shop", Row: "small", Months: 1})
	do("acme", &account.ChangeSubscription{Instance: "shop", Row: "own"})
	do("last", &account.TopUp{Amount: "3.10", Reference: "wire 2"})
	do("last", &account.Subscribe{Instance: "idle", Row: "small", Months: 1})
}

func richImages(t *testing.T, r *rig, do func(string, account.Command)) {
	a := r.account(t, "acme")
	for n, kind := range []account.ImageChangeKind{account.ImageAdded, account.ImageAdded, account.ImageAdded, account.ImageAdded,
		account.ImageDeleted, account.ImageUncertain, account.ProductDeleted, account.ImageAdded} {
		image := account.Image{Account: a.Number, Instance: a.InstanceNamed("shop").ID}
		image.Product[0], image.Picture[0] = byte(n%3), byte(n/2)
		r.now += 1e9
		if _, _, err := r.ChangeImages(account.ImageChange{Image: image, Kind: kind}); err != nil {
			t.Fatal(err)
		}
	}
	do("acme", &account.ReconcileImages{Instance: "shop", Reason: "looked"})
}

// richMonth settles some hours of a month: calls of every kind in two blocks, one
// hour with damaged counters, and one without a call in which power was lost.
func richMonth(t *testing.T, r *rig, month time.Time) {
	t.Helper()
	a, packages := uint32(1), uint32(1)
	yyyymm := uint32(r.monthOf(month))
	operation, _ := r.OperationNumber("recognition/image-tagging")
	line := func(number uint32, kind account.Kind, ref uint32, calls uint64) account.Count {
		return account.Count{Line: account.Line{Account: number, Operation: operation, Kind: kind, Ref: ref}, Calls: calls}
	}
	for n, short := range []account.Shortfall{{}, {Damaged: 1, SyncInterval: 100 * time.Millisecond, Accounts: []uint32{1}}, {},
		{PowerLosses: 1, SyncInterval: 100 * time.Millisecond}} {
		start := month.Unix() + int64(n+2)*hour
		r.now = max(r.now, (start+hour)*1e9)
		var counts []account.Count
		if short.PowerLosses == 0 {
			counts = []account.Count{line(a, account.Free, yyyymm, 3), line(a, account.Package, packages, 7), line(a, account.PayPerUse, 0, 70+uint64(n)),
				line(a, account.RateLimited, 0, 2), line(2, account.PayPerUse, 0, 11), line(66, account.PayPerUse, 0, 13), line(66, account.FailedStatus, 0, 1)}
		}
		if err := r.SettleShort(start, hour, counts, short); err != nil {
			t.Fatal(err)
		}
	}
}
