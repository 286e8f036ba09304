//go:build unix

package billing

import (
	"encoding/binary"
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// benchAccounts is how many accounts call in the hour that is settled.
const benchAccounts = 1 << 16

// BenchmarkSettle seals and settles hours in each of which every account has a line
// that its package pays and one that is paid by money. A settlement rests, so what
// counts is what it works.
func BenchmarkSettle(b *testing.B) {
	r := openRig(b, b.TempDir(), november)
	defer r.close(b)
	r.fill(b, benchAccounts)
	counts := make([]account.Count, 0, 2*benchAccounts)
	for n := uint32(1); n <= benchAccounts; n++ {
		line := account.Line{Account: n, Operation: 1, Kind: account.Package, Ref: 1}
		counts = append(counts, account.Count{Line: line, Calls: 1 + uint64(n%3)}, payPerUse(n, 1+uint64(n%7)))
	}
	from := cpuTime(b)
	for at := november.Unix(); b.Loop(); at += hour {
		r.now = (at + hour) * 1e9
		r.settle(b, at, counts...)
	}
	b.ReportMetric(float64(cpuTime(b)-from)/float64(b.N), "cpu-ns/op")
}

// cpuTime is how long the processors have worked for the test.
func cpuTime(t tester) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// fill puts accounts into the ledger, as no input of the journal did: each with money,
// a key, a package and a subscription.
func (r *rig) fill(t tester, accounts uint32) {
	t.Helper()
	if err := r.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	meta, err := r.store.Meta()
	for n := uint32(0); err == nil && n <= ledger.BlockOf(accounts); n++ {
		block := ledger.Block{Number: n, Folded: meta.Folded}
		for number := max(n*ledger.BlockSize, 1); number <= accounts && ledger.BlockOf(number) == n; number++ {
			block.Accounts = append(block.Accounts, filled(number))
		}
		meta.Accounts = accounts
		err = r.store.Commit(ledger.Step{Meta: &meta, Blocks: []ledger.Block{block}})
	}
	if err != nil {
		t.Fatal(err)
	}
	r.openEngine(t)
}

func filled(number uint32) *account.Account {
	bought := november.Unix() - day
	a := &account.Account{Number: number, ID: fmt.Sprintf("customer-%07d", number), Created: bought, Seen: bought, LastMovement: bought,
		Balance: 100_000, Closed: 100_000, Movements: 3, Events: 4, PackagesBought: 1, SubscriptionsIn: 1, InstancesIn: 1}
	a.Customer = a.ID
	a.Packages = []account.BoughtPackage{{Number: 1, Chain: 1, Offer: "tagging-50", Operation: 1, Quota: math.MaxUint32,
		Bought: bought, Start: bought, End: bought + 365*day, Anchor: bought, Months: 12, TermMonths: 12, Price: 50}}
	a.Subscriptions = []account.BoughtSubscription{{Number: 1, Instance: "shop", Service: "search", Row: "large", Start: bought,
		End: bought + 365*day, TermStart: bought, MaxImages: 1_000_000, Search: 5, Add: 5, Delete: 5, Months: 12, Price: 9612}}
	a.Instances = []account.Instance{{Name: "shop", ID: 1, Anchor: bought, Months: 12, Bought: bought, Purchases: 1, Images: int64(number)}}
	a.Keys = []account.Key{{ID: "k1", Kind: account.SecretKey, Created: bought}}
	binary.BigEndian.PutUint32(a.Keys[0].Hash[:], number)
	return a
}
