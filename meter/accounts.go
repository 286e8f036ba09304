package meter

import (
	"slices"
	"sync"
	"sync/atomic"
)

// accountsAtOnce is how many accounts come into being together.
const accountsAtOnce = 1024

// accountTable holds the accounts by number, in arrays that never move.
type accountTable struct {
	growing sync.Mutex
	arrays  atomic.Pointer[[]*accountArray] // nil where no account was asked for
}

type accountArray [accountsAtOnce]Account

// get returns the state of an account, empty at first sight.
func (t *accountTable) get(number uint32) *Account {
	n := int(number / accountsAtOnce)
	arrays := t.list()
	if n >= len(arrays) || arrays[n] == nil {
		arrays = t.grow(n)
	}
	return &arrays[n][number%accountsAtOnce]
}

func (t *accountTable) list() []*accountArray {
	if list := t.arrays.Load(); list != nil {
		return *list
	}
	return nil
}

// grow makes the n-th array. Whoever reads the old list meanwhile comes here
// himself.
func (t *accountTable) grow(n int) []*accountArray {
	t.growing.Lock()
	defer t.growing.Unlock()
	arrays := slices.Clone(t.list())
	if n < len(arrays) && arrays[n] != nil {
		return arrays
	}
	for n >= len(arrays) {
		arrays = append(arrays, nil)
	}
	arrays[n] = new(accountArray)
	for i := range arrays[n] {
		arrays[n][i].number = uint32(n*accountsAtOnce + i)
	}
	t.arrays.Store(&arrays)
	return arrays
}

// each calls f with every account that may be in use.
func (t *accountTable) each(f func(*Account)) {
	for _, array := range t.list() {
		if array == nil {
			continue
		}
		for i := range array {
			f(&array[i])
		}
	}
}
