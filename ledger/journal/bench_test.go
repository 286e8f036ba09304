package journal

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkDurable measures durable appends of 150 bytes by some clients.
func BenchmarkDurable(b *testing.B) {
	for _, clients := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			j, _, err := Open(Config{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			payload := make([]byte, 150)
			var left atomic.Int64
			left.Store(int64(b.N))
			times := make([][]time.Duration, clients)
			var wg sync.WaitGroup
			b.ResetTimer()
			for c := range clients {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						begin := time.Now()
						p, err := j.Append(0, "command", payload)
						if err == nil {
							_, err = p.Wait()
						}
						if err != nil {
							b.Error(err)
							return
						}
						times[c] = append(times[c], time.Since(begin))
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			all := slices.Concat(times...)
			slices.Sort(all)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// BenchmarkOpen measures opening a journal whose last segment is nearly full.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	j, _, err := Open(Config{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	var last Pending
	for range 30000 {
		if last, err = j.Append(0, "command", make([]byte, 150)); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := last.Wait(); err != nil {
		b.Fatal(err)
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		j, _, err := Open(Config{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
