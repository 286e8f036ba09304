package integration

import (
	"fmt"
	"strings"
	"sync"

	"github.com/tallygate/tallygate/integration/harness"
)

// burst is top-ups as fast as they go, of two accounts that the ledger keeps
// apart. Each has a reference so long that the ledger takes what comes in a second
// in several commits.
type burst struct {
	k        *killScene
	accounts [2]string
	clients  sync.WaitGroup
	stop     chan struct{}
	mu       sync.Mutex
	sent     int
	open     []harness.Request // that got no answer
}

// accountsApart is how many accounts the ledger keeps together.
const accountsApart = 64

func (k *killScene) newBurst() *burst {
	k.t.Helper()
	b := &burst{k: k, stop: make(chan struct{})}
	for i := range b.accounts {
		b.accounts[i] = fmt.Sprintf("burst-%d", len(k.others))
		k.others = append(k.others, b.accounts[i])
		k.rig.open(b.accounts[i], "1.00")
		for n := range accountsApart * (1 - i) {
			k.api(harness.Request{Path: "/tallygate/accounts", Body: map[string]any{"account": fmt.Sprintf("%s-%d", b.accounts[i], n)}}, nil)
		}
	}
	return b
}

// run sends so many commands, or until stop is closed or the gateway killed.
func (b *burst) run(commands int) {
	const clients = 16
	for c := range clients {
		b.clients.Go(func() {
			for n := range commands / clients {
				select {
				case <-b.stop:
					return
				default:
				}
				if !b.send(fmt.Sprintf("%d %d", c, n), b.accounts[n%2]) {
					return // killed
				}
			}
		})
	}
}

// send tops up a cent.
func (b *burst) send(id, account string) bool {
	request := harness.Request{Path: "/tallygate/accounts/" + account + "/topups", Header: once(b.accounts[0] + " " + id),
		Body: map[string]any{"amount": "0.01", "reference": strings.Repeat("世", 180) + id}}
	err := b.k.API(request, nil)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sent++; err != nil {
		b.open = append(b.open, request)
	}
	return err == nil
}

// check sends again what got no answer, and finds each payment in the balances
// once.
func (b *burst) check() {
	k := b.k
	k.t.Helper()
	for _, request := range b.open {
		k.api(request, nil)
	}
	want, balance := int64(200+b.sent), int64(0)
	for _, account := range b.accounts {
		balance += cents(k.t, k.usage(account).Balance)
	}
	switch {
	case balance < want:
		k.row.lose(k.t, int(want-balance), "%v: the balances are %d cents, not %d", b.accounts, balance, want)
	case balance > want:
		k.row.double(k.t, int(balance-want), "%v: the balances are %d cents, not %d", b.accounts, balance, want)
	}
}
