package intent

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// TestPowerCut: of what was written since the last sync, any sectors may be
// there. Every change that has begun and not ended is, and nothing is taken for
// damage.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 3))
		path := filepath.Join(dir, fmt.Sprint(seed))
		l, _ := open(t, path)
		begun := map[uint64]uint32{} // by id, and not ended
		for n := range uint32(1 + random.IntN(60)) {
			id := must[uint64](t)(l.Begin(change(n, account.ImageAdded), false))
			begun[id] = n
			for other := range begun {
				if random.IntN(3) > 0 {
					continue
				}
				if err := errors.Join(l.Name(other, [16]byte{1}, [16]byte{2}), l.End(other)); err != nil {
					t.Fatal(err)
				}
				delete(begun, other)
			}
		}
		now, safe, end := must[[]byte](t)(os.ReadFile(path)), l.safe, l.size
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for cut := range 10 {
			after := make([]byte, len(now)) // its length is durable
			copy(after, now[:safe])
			for at := safe; at < end; at = (at/512 + 1) * 512 {
				if random.IntN(2) == 0 {
					copy(after[at:(at/512+1)*512], now[at:])
				}
			}
			torn := fmt.Sprint(path, "-", cut)
			if err := os.WriteFile(torn, after, 0o600); err != nil {
				t.Fatal(err)
			}
			l, list, err := Open(torn)
			if err != nil {
				t.Fatalf("seed %d cut %d: %v", seed, cut, err)
			}
			l.Close()
			found := map[uint32]bool{}
			for _, c := range list {
				found[c.Instance] = true
			}
			for id, n := range begun {
				if !found[n] {
					t.Fatalf("seed %d cut %d: change %d, of instance %d, is lost", seed, cut, id, n)
				}
			}
		}
	}
}

// TestTogether: those who begin at once are all durable when they are told so.
func TestTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "intents")
	l, _ := open(t, path)
	var all sync.WaitGroup
	for n := range uint32(16) {
		all.Go(func() {
			for range 20 {
				id, err := l.Begin(change(n, account.ImageAdded), false)
				l.mu.Lock()
				safe, written := l.durable, l.written
				l.mu.Unlock()
				if err != nil || safe == 0 || safe > written {
					t.Errorf("%v: %d of %d records are durable", err, safe, written)
					return
				}
				if err := l.End(id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if l.Len() != 0 {
		t.Errorf("%d are open", l.Len())
	}
	killed(t, path)
}

func BenchmarkBegin(b *testing.B) {
	for _, clients := range []int{1, 4, 32} {
		b.Run(fmt.Sprint(2*clients, "-clients"), func(b *testing.B) {
			l, _, err := Open(filepath.Join(b.TempDir(), "intents"))
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			b.SetParallelism(clients)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					id, err := l.Begin(change(1, account.ImageAdded), true)
					if err == nil {
						err = l.End(id)
					}
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// TestFailedSync: a change whose record may not be durable does not begin, and
// what is open is written anew before the next one does.
func TestFailedSync(t *testing.T) {
	t.Parallel()
	path, ok := filepath.Join(t.TempDir(), "intents"), must[uint64](t)
	l := killed(t, path)
	ok(l.Begin(change(1, account.ImageAdded), false))
	zero := must[*os.File](t)(os.OpenFile("/dev/zero", os.O_RDWR, 0)) // takes what is written, and cannot be synced
	l.file.Close()
	l.file = zero
	if _, err := l.Begin(change(2, account.ImageAdded), false); err == nil || l.Len() != 1 {
		t.Fatalf("%v, %d open, want an error and 1", err, l.Len())
	}
	ok(l.Begin(change(3, account.ImageAdded), false))
	killed(t, path, uncertain(1, 0, 0), uncertain(3, 0, 0))
}
