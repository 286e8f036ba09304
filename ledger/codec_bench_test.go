package ledger

import (
	"fmt"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating/money"
)

// busyBlock is a block as a busy ledger has it: 64 accounts with a key, a
// package, a subscription with its instance, and two operations used this month.
func busyBlock(number uint32) Block {
	b := Block{Number: number, Folded: 1_000_000}
	for i := range uint32(BlockSize) {
		n := number*BlockSize + i
		a := &account.Account{Number: n, ID: fmt.Sprintf("customer-%07d", n), Created: 1_790_000_000, Seen: 1_792_000_000, LastMovement: 1_792_000_000,
			Balance: money.Amount(100_000 + n%7919), Closed: money.Amount(120_000 + n%104_729), Movements: 12, Events: 9, Statements: 3,
			PackagesBought: 1, SubscriptionsIn: 1, InstancesIn: 1}
		a.Customer = a.ID
		a.Months = []account.OpenMonth{{Month: 202611, Sum: a.Balance - a.Closed}}
		for operation := range uint16(2) {
			a.Usage = append(a.Usage, account.OperationUsage{Operation: operation + 1, Month: 202611, Free: 2000, PayPerUse: 31_415 + uint64(n%997),
				Successful: 33_415 + uint64(n%997), Exact: money.TotalOf(0, 20_123_000_000_000+uint64(n)), Debited: 2012})
		}
		a.Packages = []account.BoughtPackage{{Number: 1, Chain: 1, Offer: "image-tagging-10k-1y", Operation: 1, Quota: 10_000, Used: 4711 + uint64(n%1009),
			Bought: 1_790_000_000, Start: 1_790_000_000, End: 1_821_536_000, Anchor: 1_790_000_000, Months: 12, TermMonths: 12, Price: 9900}}
		a.Subscriptions = []account.BoughtSubscription{{Number: 1, Instance: "products", Service: "search", Row: "s100k-1", Start: 1_790_000_000,
			End: 1_792_592_000, TermStart: 1_790_000_000, MaxImages: 100_000, Search: 1, Add: 5, Delete: 5, Months: 1, Price: 19_900}}
		a.Instances = []account.Instance{{Name: "products", ID: 1, Anchor: 1_790_000_000, Months: 1, Bought: 1_790_000_000, Purchases: 1, Images: 4000}}
		a.Keys = []account.Key{{ID: "k1", Kind: account.SecretKey, Hash: [32]byte{byte(n), byte(n >> 8), 3}, Created: 1_790_000_000}}
		b.Accounts = append(b.Accounts, a)
	}
	return b
}

func BenchmarkEncodeBlock(b *testing.B) {
	block := busyBlock(15_000)
	var state, terms []byte
	for b.Loop() {
		state, terms = AppendBlockParts(state[:0], terms[:0], block)
	}
	b.ReportMetric(float64(len(state))/BlockSize, "state-bytes/account")
	b.ReportMetric(float64(len(terms))/BlockSize, "terms-bytes/account")
}

func BenchmarkDecodeBlock(b *testing.B) {
	b.ReportAllocs()
	state, terms := AppendBlockParts(nil, nil, busyBlock(15_000))
	for b.Loop() {
		if _, err := DecodeBlock(15_000, state, terms); err != nil {
			b.Fatal(err)
		}
	}
}
