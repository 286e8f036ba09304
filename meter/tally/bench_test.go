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
// the background sync. One count in eight is timed by itself, for the
// percentiles; the two readings of the clock around it are in them.
func BenchmarkAddRandom(b *testing.B) {
	const slots = 2_000_000
	for _, c := range []struct {
		name     string
		interval time.Duration
	}{{"unsynced", -1}, {"synced", 0}} {
		b.Run(c.name, func(b *testing.B) {
			f := manySlots(b, Config{SyncInterval: c.interval}, slots)
			r := rand.NewPCG(1, 2)
			var times histogram
			for n := 0; b.Loop(); n++ {
				slot := uint32(r.Uint64() % slots)
				if n%8 != 0 {
					f.Add(slot)
					continue
				}
				began := time.Now()
				f.Add(slot)
				times.add(time.Since(began))
			}
			if err := f.Err(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(times.percentile(0.99), "p99-ns")
			b.ReportMetric(times.percentile(0.999), "p99.9-ns")
		})
	}
}

// histogram counts times by nanoseconds up to 100 µs, and longer ones as that.
type histogram [100_000]uint32

func (h *histogram) add(d time.Duration) { h[min(max(int(d), 0), len(h)-1)]++ }

// percentile is the time that a part of all did not exceed, in nanoseconds.
func (h *histogram) percentile(part float64) float64 {
	var all, seen uint64
	for _, n := range h {
		all += uint64(n)
	}
	for ns, n := range h {
		if seen += uint64(n); seen >= uint64(part*float64(all)) {
			return float64(ns)
		}
	}
	return float64(len(h))
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

// BenchmarkMend holds 2,000,000 slots against their checks.
func BenchmarkMend(b *testing.B) {
	f := manySlots(b, Config{SyncInterval: -1}, 2_000_000)
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Mend(); err != nil {
			b.Fatal(err)
		}
	}
}
