package meter

import "sync"

// KeyKind says where a key may come from, so that something public (an access
// key id) never passes as a secret.
type KeyKind uint8

const (
	Secret      KeyKind = 1 // an API key, known by its SHA-256
	AccessKeyID KeyKind = 2 // the id in a signed request
	Identity    KeyKind = 3 // what an earlier handler authenticated
)

// Key is whom a call belongs to. The zero Key is nobody.
type Key struct {
	account  *Account
	instance string // the search index it is bound to, if any
	kind     KeyKind
}

// Known reports whether the key names an account.
func (k Key) Known() bool { return k.account != nil }

// Account is the number of the account that a key names, 0 = none.
func (k Key) Account() uint32 {
	if k.account == nil {
		return 0
	}
	return k.account.number
}

// keyTable finds keys by hash. Sharded, so that adding a key stalls nobody.
type keyTable struct {
	shards [256]struct {
		sync.RWMutex
		keys map[[32]byte]Key
	}
}

func (t *keyTable) get(hash [32]byte) Key {
	s := &t.shards[hash[0]]
	s.RLock()
	k := s.keys[hash]
	s.RUnlock()
	return k
}

func (t *keyTable) put(hash [32]byte, k Key) {
	s := &t.shards[hash[0]]
	s.Lock()
	if s.keys == nil {
		s.keys = make(map[[32]byte]Key)
	}
	s.keys[hash] = k
	s.Unlock()
}

func (t *keyTable) remove(hash [32]byte) {
	s := &t.shards[hash[0]]
	s.Lock()
	delete(s.keys, hash)
	s.Unlock()
}

// Identify finds the account of a key by the SHA-256 of what the client sent.
func (m *Meter) Identify(kind KeyKind, hash [32]byte) (Key, bool) {
	k := m.keys.get(hash)
	return k, k.account != nil && k.kind == kind
}

// AddKey makes a key known. The account must have been put before.
func (m *Meter) AddKey(kind KeyKind, hash [32]byte, accountNumber uint32, instance string) {
	m.keys.put(hash, Key{account: m.account(accountNumber), instance: instance, kind: kind})
}

// RemoveKey revokes a key at once.
func (m *Meter) RemoveKey(hash [32]byte) { m.keys.remove(hash) }
