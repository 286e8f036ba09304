package badgerstore

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/ledger"
)

// BenchmarkDay closes a day of 100,000 accounts with 2 lines an hour and reports
// what the ledger takes for a line: as it is then, after the ledger was closed
// and its tables merged, and of that what is a value under each letter.
func BenchmarkDay(b *testing.B) {
	const accounts, hours = 100_000, 24
	const lines = float64(accounts / ledger.BlockSize * ledger.BlockSize * 2 * hours)
	for b.Loop() {
		dir := b.TempDir()
		s, err := Open(Config{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		for hour := range int64(hours) {
			closeHour(b, s, accounts, hour)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(sizeOf(b, dir))/lines, "closed-bytes/line")
		for letter, bytes := range mergeAll(b, dir) {
			b.ReportMetric(float64(bytes)/lines, letter+"-bytes/line")
		}
		b.ReportMetric(float64(sizeOf(b, dir))/lines, "bytes/line")
		b.StartTimer()
	}
}

// mergeAll merges all tables and returns how many bytes of keys and values there
// are, by what keys begin with.
func mergeAll(b *testing.B, dir string) map[string]int64 {
	b.Helper()
	db, err := openBadger(Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)}, true)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if err := db.Flatten(2); err != nil {
		b.Fatal(err)
	}
	bytes := map[string]int64{}
	err = db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			letter, _, _ := strings.Cut(string(it.Item().Key()), "/")
			bytes[letter] += it.Item().EstimatedSize()
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, l := range db.Levels() {
		b.Logf("level %d: %d tables, %d bytes, stale %d", l.Level, l.NumTables, l.Size, l.StaleDatSize)
	}
	return bytes
}
