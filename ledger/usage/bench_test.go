package usage

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// busyHour is 1,000,000 accounts with 2 lines each, shuffled.
func busyHour() []account.Count {
	random := rand.New(rand.NewPCG(1, 2))
	rows := make([]account.Count, 0, 2_000_000)
	for a := range uint32(1_000_000) {
		operation := uint16(1 + random.IntN(2))
		paid := account.Line{Account: a, Operation: operation, Kind: account.PayPerUse}
		if random.IntN(3) == 0 {
			paid.Kind, paid.Ref = account.Package, 1+uint32(random.IntN(20))
		}
		free := account.Line{Account: a, Operation: operation, Kind: account.Free, Ref: 202611}
		rows = append(rows, account.Count{Line: paid, Calls: 1 + uint64(random.IntN(2000))}, account.Count{Line: free, Calls: 1 + uint64(random.IntN(100))})
	}
	random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return rows
}

func BenchmarkWrite(b *testing.B) {
	rows := busyHour()
	var info Info
	for b.Loop() {
		b.StopTimer()
		shuffled, dir := slices.Clone(rows), b.TempDir()
		b.StartTimer()
		var err error
		if info, err = Write(dir, exampleHeader(), shuffled); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(info.Size)/float64(info.Sum.Lines), "bytes/line")
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	info, err := Write(dir, exampleHeader(), busyHour())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Open(filepath.Join(dir, info.Name)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBlock(b *testing.B) {
	file, _, err := encode(exampleHeader(), busyHour())
	if err != nil {
		b.Fatal(err)
	}
	f, err := decode(file)
	if err != nil {
		b.Fatal(err)
	}
	n := uint32(0)
	for b.Loop() {
		if len(f.Block(n%15_000)) == 0 {
			b.Fatal("empty block")
		}
		n++
	}
}
