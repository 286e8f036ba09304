package meter

import (
	"slices"
	"strings"
)

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
	account *Account
	bound   binding
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

// Identify finds the account of a key by the SHA-256 of what the client sent.
func (m *Meter) Identify(kind KeyKind, hash [32]byte) (Key, bool) {
	k, ok := m.keys.get(hash)
	if !ok || k.kind() != kind {
		return Key{}, false
	}
	return Key{m.account(k.account), k.binding()}, true
}

// ExpectKeys makes room for about so many keys, which takes less than to grow with them.
func (m *Meter) ExpectKeys(n int) { m.keys.expect(n) }

// AddKey makes a key known. The account must have been put before.
func (m *Meter) AddKey(kind KeyKind, hash [32]byte, accountNumber uint32, instance string) {
	m.keys.put(newKeyRecord(kind, hash, accountNumber, m.account(accountNumber).bind(m.store, instance)))
}

// RemoveKey revokes a key at once.
func (m *Meter) RemoveKey(hash [32]byte) { m.keys.remove(hash) }

// binding is the search index that a key is bound to: 0 for none, or one more
// than the index's place among the account's, or, with byName, than the place of
// its name among those that were not there when the key was put.
type binding uint32

const (
	bindingBits         = 30
	byName      binding = 1 << (bindingBits - 1)
)

// bind returns the binding to the instance of a name, "" for none.
func (a *Account) bind(s *store, instance string) binding {
	if instance == "" {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for n := range a.instances(s) {
		if s.names.at(a.instanceAt(s, n).name) == instance {
			return binding(n + 1)
		}
	}
	more := a.rest(s)
	n := slices.Index(more.names, instance)
	if n < 0 {
		n = len(more.names)
		more.names = append(more.names, strings.Clone(instance))
	}
	return byName | binding(n+1)
}

// boundTo is the name of the instance that a key is bound to. The account is
// locked.
func (a *Account) boundTo(s *store, b binding) string {
	switch {
	case b == 0:
		return ""
	case b&byName != 0:
		return s.accountMore.at(a.more).names[b&^byName-1]
	}
	return s.names.at(a.instanceAt(s, int(b-1)).name)
}
