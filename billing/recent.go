package billing

import (
	"errors"
	"sync"

	"github.com/tallygate/tallygate/ledger"
)

// recent finds by name what is not in the ledger yet: two generations, the one
// that grows and the one that is being flushed.
type recent struct {
	mu  sync.RWMutex
	gen [2]names
}

type names struct {
	answers  map[[32]byte]ledger.Answer
	accounts map[string]uint32
	keys     map[[32]byte]uint32 // 0 = taken away
	trials   map[string]ledger.Trial
}

func (r *recent) reset() { r.gen = [2]names{newNames(0), newNames(0)} }

// newNames makes room for so many answers: a map that grows is copied again and again,
// while commands wait for it.
func newNames(answers int) names {
	return names{make(map[[32]byte]ledger.Answer, answers), map[string]uint32{}, map[[32]byte]uint32{}, map[string]ledger.Trial{}}
}

// turn begins a new generation, which will have about as many answers as the last one:
// what is older than that is forgotten.
func (r *recent) turn() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gen[0], r.gen[1] = newNames(len(r.gen[0].answers)), r.gen[0]
}

func (r *recent) put(s ledger.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range s.Answers {
		r.gen[0].answers[a.Key] = a
	}
	for id, n := range s.Accounts {
		r.gen[0].accounts[id] = n
	}
	for h, n := range s.Keys {
		r.gen[0].keys[h] = n
	}
	for customer, t := range s.Trials {
		r.gen[0].trials[customer] = t
	}
}

// latestOwners brings the owners of keys up to date, before they are flushed: a
// key may have gone from an account of one block to one of another.
func (r *recent) latestOwners(keys map[[32]byte]uint32) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for h := range keys {
		keys[h] = r.gen[0].keys[h]
	}
}

// find looks in both generations, the newer first, and then in the ledger.
func find[K comparable, V any](r *recent, of func(names) map[K]V, key K, stored func(K) (V, error)) (V, error) {
	r.mu.RLock()
	for _, g := range r.gen {
		if v, ok := of(g)[key]; ok {
			r.mu.RUnlock()
			return v, nil
		}
	}
	r.mu.RUnlock()
	return stored(key)
}

func (e *Engine) answer(key [32]byte) (ledger.Answer, bool, error) {
	a, err := find(&e.recent, func(n names) map[[32]byte]ledger.Answer { return n.answers }, key, e.Store.Answer)
	return a, err == nil, unlessNotFound(err)
}

// number finds an account by id; 0 if there is none.
func (e *Engine) number(id string) (uint32, error) {
	n, err := find(&e.recent, func(n names) map[string]uint32 { return n.accounts }, id, e.Store.Number)
	return n, unlessNotFound(err)
}

// keyOwner finds the account that has a key; 0 if none has.
func (e *Engine) keyOwner(hash [32]byte) (uint32, error) {
	n, err := find(&e.recent, func(n names) map[[32]byte]uint32 { return n.keys }, hash, e.Store.KeyOwner)
	return n, unlessNotFound(err)
}

func unlessNotFound(err error) error {
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	return err
}
