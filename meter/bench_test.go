package meter

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// loaded is a meter with accounts 1 to n, each with a key, that has counted a
// call of each where that is asked for.
func loaded(b *testing.B, n int, counted bool) *Meter {
	m := hotMeter(b, NewWallClock(nil))
	if _, err := m.Roll(m.Now().Event); err != nil {
		b.Fatal(err)
	}
	for i := range n {
		k := keyFor(b, m, View{Number: uint32(i + 1), PayPerUse: true}, "")
		if counted {
			h, _ := m.Admit(Call{Key: k, Operation: opTagging})
			m.Post(&h)
		}
	}
	return m
}

// pick goes through the numbers 1 to n at random.
type pick uint64

func (p *pick) next(n int) uint64 {
	*p = *p*6364136223846793005 + 1442695040888963407
	return uint64(*p)>>33%uint64(n) + 1
}

// BenchmarkMachine is what each call of BenchmarkAdmitSettle needs and the machine
// decides: the hash of a key as long, a reading of the clock, and a mutex that nobody
// else wants, whose atomic changes are where processors differ most.
func BenchmarkMachine(b *testing.B) {
	b.Run("sha256_key", func(b *testing.B) {
		secret := secretOf(nil, 1)
		for b.Loop() {
			sha256.Sum256(secret)
		}
	})
	b.Run("clock", func(b *testing.B) {
		c := NewWallClock(nil)
		for b.Loop() {
			c.Now()
		}
	})
	b.Run("mutex", func(b *testing.B) {
		var mu sync.Mutex
		for b.Loop() {
			mu.Lock()
			mu.Unlock()
		}
	})
}

// BenchmarkAdmitSettle is the hot path from the key to the count, the hash of
// the key included.
func BenchmarkAdmitSettle(b *testing.B) {
	for _, accounts := range []int{1, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("accounts=%d", accounts), func(b *testing.B) {
			m := loaded(b, accounts, true)
			secret, random := make([]byte, 0, 64), pick(1)
			b.ReportAllocs()
			for b.Loop() {
				secret = secretOf(secret[:0], random.next(accounts))
				admitSettle(b, m, sha256.Sum256(secret))
			}
		})
	}
}

func admitSettle(b *testing.B, m *Meter, hash [32]byte) {
	k, _ := m.Identify(Secret, hash)
	h, v := m.Admit(Call{Key: k, Operation: opTagging})
	if v.Reason != 0 {
		b.Fatal(v.Reason)
	}
	m.Post(&h)
}

// BenchmarkAdmitSettleParallel is the same by one goroutine, and by two with an
// account for each or one for both; ns/op is the time by which all get longer
// with each call of either.
func BenchmarkAdmitSettleParallel(b *testing.B) {
	const accounts = 1000 // so that the two are not neighbours in memory
	for _, c := range []struct {
		name string
		of   []uint64
	}{{"goroutines=1", []uint64{1}}, {"goroutines=2/accounts=own", []uint64{1, accounts}}, {"goroutines=2/accounts=same", []uint64{1, 1}}} {
		b.Run(c.name, func(b *testing.B) {
			m := loaded(b, accounts, true)
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for g, number := range c.of {
				all.Go(func() {
					secret := make([]byte, 0, 64)
					for range (b.N + g) / len(c.of) {
						secret = secretOf(secret[:0], number)
						admitSettle(b, m, sha256.Sum256(secret))
					}
				})
			}
			all.Wait()
		})
	}
}

// BenchmarkWay goes every way through admission, refusals included, once its
// key is hashed.
func BenchmarkWay(b *testing.B) {
	for _, w := range ways {
		b.Run(strings.ReplaceAll(w.name, ",", ""), func(b *testing.B) {
			call := walk(b, w)
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
		})
	}
}

// BenchmarkIdentify looks up random keys, their hash included.
func BenchmarkIdentify(b *testing.B) {
	for _, keys := range []int{1, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			m := loaded(b, keys, false)
			secret, random := make([]byte, 0, 64), pick(1)
			b.ReportAllocs()
			for b.Loop() {
				secret = secretOf(secret[:0], random.next(keys))
				if _, ok := m.Identify(Secret, sha256.Sum256(secret)); !ok {
					b.Fatal("the key is unknown")
				}
			}
		})
	}
}

// BenchmarkWindow admits calls that come as fast as a limit of N calls in any
// second allows, so that the window is full and each call takes the place of
// the oldest.
func BenchmarkWindow(b *testing.B) {
	for _, n := range []int64{1, 10, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("N=%d", n), func(b *testing.B) {
			limit := uint32(n)
			view := View{Number: 1, Subscriptions: []Subscription{{Number: 1, Instance: "shop", End: forever, Limits: [classes]uint32{limit, limit, limit}}}}
			m := hotMeter(b, &pacedClock{step: int64(time.Second) / n})
			c := Call{Key: keyFor(b, m, view, ""), Operation: opSearch}
			call := func() {
				h, v := m.Admit(c)
				if v.Reason != 0 {
					b.Fatal(v.Reason)
				}
				m.Post(&h)
			}
			for range 2 * n {
				call()
			}
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
		})
	}
}
