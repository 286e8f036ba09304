package caddymodule

import (
	"sync"
	"sync/atomic"
)

// fate is whether a configuration was accepted. Caddy starts apps in any order,
// so its servers may take requests before the ledger is open, and may take some
// for a configuration that is rejected in the end because another port is not
// free: these wait until it is known.
type fate struct {
	yes   atomic.Bool
	once  sync.Once
	known chan struct{}
}

func newFate() *fate { return &fate{known: make(chan struct{})} }

// decide settles it; the first word counts.
func (f *fate) decide(accepted bool) {
	f.once.Do(func() {
		f.yes.Store(accepted)
		close(f.known)
	})
}

// accepted waits for the decision.
func (f *fate) accepted() bool {
	if !f.yes.Load() {
		<-f.known
	}
	return f.yes.Load()
}
