package tally

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

func BenchmarkAddHot(b *testing.B) {
	f := create(b, Config{})
	n := mustSlot(b, f, account.Line{Account: 1})
	b.ReportAllocs()
	for b.Loop() {
		f.Add(n)
	}
}

func manySlots(b *testing.B, cfg Config, slots int) *File {
	f := create(b, cfg)
	for i := range slots {
		mustSlot(b, f, account.Line{Account: uint32(i), Kind: account.PayPerUse})
	}
	return f
}

// BenchmarkAddRandom counts at random over 2,000,000 slots, with and without
// the background sync.
func BenchmarkAddRandom(b *testing.B) {
	const slots = 2_000_000
	for _, c := range []struct {
		name     string
		interval time.Duration
	}{{"unsynced", -1}, {"synced", 0}} {
		b.Run(c.name, func(b *testing.B) {
			f := manySlots(b, Config{SyncInterval: c.interval}, slots)
			r := rand.NewPCG(1, 2)
			for b.Loop() {
				f.Add(uint32(r.Uint64() % slots))
			}
			if err := f.Err(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkSync(b *testing.B) {
	const slots, changed = 100_000, 1000
	f := manySlots(b, Config{SyncInterval: -1}, slots)
	for b.Loop() {
		for range changed {
			f.Add(rand.Uint32N(slots))
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkResume resumes 2,000,000 slots after a crash.
func BenchmarkResume(b *testing.B) {
	f := manySlots(b, Config{SyncInterval: -1}, 2_000_000)
	f.Sync()
	for b.Loop() {
		f.crash()
		var err error
		if f, _, err = Open(f.cfg, f.path); err != nil {
			b.Fatal(err)
		}
	}
}
