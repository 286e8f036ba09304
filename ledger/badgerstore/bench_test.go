package badgerstore

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/rating/money"
)

const (
	benchAccounts = 1_000_000
	benchPart     = 64 // blocks a step
	hourSeconds   = 3600
	benchStart    = 1_793_491_200 // Unix seconds
)

// closeHour commits an hour in which all accounts had two lines. What to commit
// is made while the time stands.
func closeHour(b *testing.B, s *Store, accounts int, hour int64) {
	b.Helper()
	part, blocks := uint32(benchPart), uint32(accounts/ledger.BlockSize)
	for first := uint32(0); first < blocks; first += part {
		b.StopTimer()
		var step ledger.Step
		for number := first; number < min(first+part, blocks); number++ {
			block, usage := benchBlock(number, hour)
			step.Blocks, step.Hours = append(step.Blocks, block), append(step.Hours, usage)
		}
		b.StartTimer()
		if err := s.Commit(step); err != nil {
			b.Fatal(err)
		}
	}
}

// benchBlock is a block as a busy ledger has it after an hour: each account with
// a key, a package, a subscription with its instance and two operations used.
func benchBlock(number uint32, hour int64) (ledger.Block, ledger.BlockHour) {
	block := ledger.Block{Number: number, Folded: uint64(hour)}
	usage := ledger.BlockHour{Block: number, Start: benchStart + hour*hourSeconds, Length: hourSeconds, Input: uint64(hour)}
	for i := range uint32(ledger.BlockSize) {
		a := benchAccount(number*ledger.BlockSize+i, hour)
		block.Accounts = append(block.Accounts, a)
		for _, kind := range []account.Kind{account.Free, account.PayPerUse} {
			c := account.Charge{Count: account.Count{Line: account.Line{Account: a.Number, Operation: 1, Kind: kind}, Calls: uint64(i)*7 + 1}}
			if kind == account.PayPerUse {
				c.Amount = money.Amount(i) + 1
			} else {
				c.Ref = 202611
			}
			usage.Charges = append(usage.Charges, c)
		}
	}
	return block, usage
}

func benchAccount(n uint32, hour int64) *account.Account {
	const bought = benchStart - 30*24*hourSeconds
	at := benchStart + hour*hourSeconds
	a := &account.Account{Number: n, ID: fmt.Sprintf("customer-%07d", n), Created: bought, Seen: at - 1, LastMovement: at,
		Closed: money.Amount(120_000 + n%104_729), Movements: 12, Events: 9, Statements: 3, PackagesBought: 1, SubscriptionsIn: 1, InstancesIn: 1}
	a.Customer, a.Balance = a.ID, a.Closed-money.Amount(hour)*25
	a.Months = []account.OpenMonth{{Month: 202611, Sum: a.Balance - a.Closed}}
	for operation := range uint16(2) {
		calls := uint64(hour)*300 + uint64(n%97)
		a.Usage = append(a.Usage, account.OperationUsage{Operation: operation + 1, Month: 202611, Free: 2000, PayPerUse: calls, Successful: 2000 + calls,
			Exact: money.TotalOf(0, calls*1_230_000_000), Debited: money.Amount(calls * 123 / 1000)})
	}
	a.Packages = []account.BoughtPackage{{Number: 1, Chain: 1, Offer: "image-tagging-10k-1y", Operation: 3, Quota: 10_000, Used: uint64(n % 1009),
		Bought: bought, Start: bought, End: bought + 365*24*hourSeconds, Anchor: bought, Months: 12, TermMonths: 12, Price: 9900}}
	a.Subscriptions = []account.BoughtSubscription{{Number: 1, Instance: "products", Service: "search", Row: "s100k-1", Start: bought,
		End: bought + 62*24*hourSeconds, TermStart: bought, MaxImages: 100_000, Search: 1, Add: 5, Delete: 5, Months: 1, Price: 19_900}}
	a.Instances = []account.Instance{{Name: "products", ID: 1, Anchor: bought, Months: 1, Bought: bought, Purchases: 1, Images: int64(n % 4001)}}
	a.Keys = []account.Key{{ID: "k1", Kind: account.SecretKey, Hash: sha256.Sum256(binary.BigEndian.AppendUint32(nil, n)), Created: bought}}
	return a
}

// BenchmarkClose commits hours of 1,000,000 accounts with 2 lines each.
func BenchmarkClose(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(Config{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	hour := int64(0)
	for b.Loop() {
		hour++
		closeHour(b, s, benchAccounts, hour)
	}
	b.StopTimer()
	s.Close()
	b.ReportMetric(float64(sizeOf(b, dir))/float64(hour*benchAccounts*2), "bytes/line")
}

// BenchmarkBlocks opens a ledger of 1,000,000 accounts and reads all of them.
func BenchmarkBlocks(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(Config{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	closeHour(b, s, benchAccounts, 1)
	s.Close()
	for b.Loop() {
		s, err := Open(Config{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range s.Blocks() {
			if err != nil {
				b.Fatal(err)
			}
		}
		s.Close()
	}
}

func sizeOf(b *testing.B, dir string) (total int64) {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		total += info.Size()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return total
}

// BenchmarkCommit commits small steps, one after the other.
func BenchmarkCommit(b *testing.B) {
	s, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	block, _ := benchBlock(1, 1)
	for n := uint32(1); b.Loop(); n++ {
		block.Folded = uint64(n)
		step := movement(n)
		step.Blocks = []ledger.Block{block}
		if err := s.Commit(step); err != nil {
			b.Fatal(err)
		}
	}
}
