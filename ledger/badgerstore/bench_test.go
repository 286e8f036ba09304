package badgerstore

import (
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
)

// closeHour commits an hour in which all accounts had two lines.
func closeHour(b *testing.B, s *Store, hour int64) {
	b.Helper()
	blocks := uint32(benchAccounts / ledger.BlockSize)
	for first := uint32(0); first < blocks; first += benchPart {
		var step ledger.Step
		for number := first; number < min(first+benchPart, blocks); number++ {
			block, usage := benchBlock(number, hour)
			step.Blocks, step.Hours = append(step.Blocks, block), append(step.Hours, usage)
		}
		if err := s.Commit(step); err != nil {
			b.Fatal(err)
		}
	}
}

func benchBlock(number uint32, hour int64) (ledger.Block, ledger.BlockHour) {
	block := ledger.Block{Number: number, Folded: uint64(hour)}
	usage := ledger.BlockHour{Block: number, Start: hour * hourSeconds, Length: hourSeconds, Input: uint64(hour)}
	for i := range uint32(ledger.BlockSize) {
		a := &account.Account{Number: number*ledger.BlockSize + i, Created: 1_790_000_000, Balance: money.Amount(1e6 - hour)}
		a.ID = fmt.Sprintf("account-%d", a.Number)
		a.Customer = a.ID
		a.Usage = []account.OperationUsage{{Operation: 1, Month: 202611, Free: 1000, PayPerUse: uint64(hour) * 300, Debited: money.Amount(hour * 75)}}
		a.Keys = []account.Key{{ID: "k1", Kind: account.SecretKey, Hash: [32]byte{byte(i), byte(number)}, Created: 1_790_000_000}}
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
		closeHour(b, s, hour)
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
	closeHour(b, s, 1)
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
