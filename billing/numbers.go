package billing

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// numbers remembers the numbers of accounts that commands named: to ask the ledger
// takes longer than to judge a command. An account keeps its number for ever, and is
// remembered only once it is there, so nothing here is ever out of date. Where two
// have the same place, the one that was named last has it.
type numbers struct {
	places [1 << 15]atomic.Pointer[numbered]
}

type numbered struct {
	id     string
	number uint32
}

var numberSeed = maphash.MakeSeed()

// find is the number of an account, asked for where it is not remembered; 0 if there
// is none.
func (n *numbers) find(id string, ask func(id string) (uint32, error)) (uint32, error) {
	place := &n.places[maphash.String(numberSeed, id)%uint64(len(n.places))]
	if known := place.Load(); known != nil && known.id == id {
		return known.number, nil
	}
	number, err := ask(id)
	if err == nil && number != 0 {
		place.Store(&numbered{strings.Clone(id), number}) // not the request that it is a part of
	}
	return number, err
}
