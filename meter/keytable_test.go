package meter

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// drawHash is one of few hashes that lie close to one another in two shards,
// some at the very end, and partly look alike.
func drawHash(t *rapid.T) (hash [32]byte) {
	hash[0] = byte(rapid.IntRange(0, 1).Draw(t, "shard"))
	home := rapid.SampledFrom([]uint32{0, 1 << 31, 1<<31 + 1<<28, 1<<32 - 1}).Draw(t, "home")
	binary.LittleEndian.PutUint32(hash[1:], home)
	hash[5] = byte(rapid.IntRange(0, 1).Draw(t, "mark"))
	hash[31] = byte(rapid.IntRange(0, 12).Draw(t, "rest"))
	return hash
}

// TestKeyTableIsAMap under keys that come, change and go.
func TestKeyTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table keyTable
		keys := make(map[[32]byte]keyRecord)
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			hash := drawHash(t)
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1:
				table.remove(hash)
				delete(keys, hash)
			case 2:
				table.expect(rapid.IntRange(0, 20_000).Draw(t, "expected"))
			default:
				kind := KeyKind(rapid.IntRange(1, 3).Draw(t, "kind"))
				k := newKeyRecord(kind, hash, rapid.Uint32().Draw(t, "account"), binding(rapid.Uint32Range(0, 1<<bindingBits-1).Draw(t, "binding")))
				if k.kind() != kind {
					t.Fatalf("kind %d of a key of kind %d", k.kind(), kind)
				}
				table.put(k)
				keys[hash] = k
			}
			same(t, &table, keys, hash)
		}
		for hash := range keys {
			same(t, &table, keys, hash)
		}
		sound(t, &table, len(keys))
	})
}

// TestExpectedKeys: there is room for them, and not for twice as many.
func TestExpectedKeys(t *testing.T) {
	const keys = 1_000_000
	var table keyTable
	table.expect(keys)
	places := 0
	for i := range table.shards {
		places += len(table.shards[i].places)
	}
	if places > keys*3/2 {
		t.Errorf("%d places for %d keys", places, keys)
	}
	for n := range uint64(keys) {
		table.put(keyRecord{hash: sha256.Sum256(binary.LittleEndian.AppendUint64(nil, n))})
	}
	for i := range table.shards {
		places -= len(table.shards[i].places)
	}
	if places != 0 {
		t.Errorf("%d places were added for keys that had been expected", -places)
	}
}

func same(t rapid.TB, table *keyTable, keys map[[32]byte]keyRecord, hash [32]byte) {
	t.Helper()
	got, found := table.get(hash)
	if want, known := keys[hash]; got != want || found != known {
		t.Fatalf("%x: %v %t, want %v %t", hash, got, found, want, known)
	}
}

// sound checks that a table keeps nothing but its keys.
func sound(t rapid.TB, table *keyTable, keys int) {
	t.Helper()
	for i := range table.shards {
		s, taken := &table.shards[i], 0
		for _, p := range s.places {
			if p != 0 {
				taken++
			}
		}
		if taken != s.used {
			t.Errorf("shard %d: %d places for %d keys", i, taken, s.used)
		}
		for n := s.used; n < len(s.blocks)*keysInBlock; n++ {
			if *s.key(table, n) != (keyRecord{}) {
				t.Errorf("shard %d keeps a key that was removed", i)
			}
		}
		keys -= s.used
	}
	if keys != 0 {
		t.Errorf("%d keys are missing", keys)
	}
}

// TestKeyTableAtLength: real hashes, and as many as fill several pieces of the
// shards.
func TestKeyTableAtLength(t *testing.T) {
	var table keyTable
	keys := make(map[[32]byte]keyRecord)
	r := rand.New(rand.NewPCG(1, 2))
	for n := range uint64(120_000) {
		hash := sha256.Sum256(secretOf(nil, r.Uint64N(60_000)))
		if r.IntN(3) == 0 {
			table.remove(hash)
			delete(keys, hash)
		} else {
			k := newKeyRecord(Secret, hash, uint32(n), 0)
			table.put(k)
			keys[hash] = k
		}
	}
	for n := range uint64(60_000) {
		same(t, &table, keys, sha256.Sum256(secretOf(nil, n)))
	}
	sound(t, &table, len(keys))
}

// TestKeysComeAndGo while others are looked up.
func TestKeysComeAndGo(t *testing.T) {
	m := newMeter(t, t.TempDir(), NewTestClock(testStart))
	m.Load(View{Number: 1, Instances: []Instance{{Name: "shop", ID: 1}}})
	stays := sha256.Sum256([]byte("stays"))
	m.AddKey(Secret, stays, 1, "shop")
	var all sync.WaitGroup
	for worker := range uint64(3) {
		all.Go(func() {
			for n := range uint64(2_000) {
				hash := sha256.Sum256(secretOf(nil, worker<<32|n))
				m.AddKey(AccessKeyID, hash, 1+uint32(n), "")
				if k, ok := m.Identify(AccessKeyID, hash); !ok || k.Account() != 1+uint32(n) {
					t.Errorf("key %d names account %d", n, k.Account())
				}
				if _, ok := m.Identify(Secret, hash); ok {
					t.Error("an access key id passes as a secret")
				}
				if n%2 == 0 {
					m.RemoveKey(hash)
					if _, ok := m.Identify(AccessKeyID, hash); ok {
						t.Error("a key that was removed is known")
					}
				}
				if k, ok := m.Identify(Secret, stays); !ok || k.Account() != 1 {
					t.Error("a key is not found while others come and go")
				}
			}
		})
	}
	all.Wait()
	sound(t, &m.keys, 1+3*1_000)
}
