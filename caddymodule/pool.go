package caddymodule

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/tallygate/tallygate/caddymodule/service"
)

// ledgers holds the open ledger across reloads, by folder.
var ledgers = caddy.NewUsagePool()

// running is the open gateway, for handlers and for the admin API, which Caddy
// provisions before apps. A process has one.
var running atomic.Pointer[service.Service]

// openLedger is a gateway and the configuration that waits to be its next.
type openLedger struct {
	service *service.Service
	mu      sync.Mutex
	waiting *service.Config
}

// acquire opens the gateway of a folder, or finds the open one and lets the new
// configuration wait for the old one's Stop.
func acquire(c service.Config) (*openLedger, error) {
	v, loaded, err := ledgers.LoadOrNew(c.Dir, func() (caddy.Destructor, error) {
		if s := running.Load(); s != nil {
			return nil, fmt.Errorf("tallygate: the ledger folder cannot change in a reload: restart with ledger %s", c.Dir)
		}
		s, err := service.Open(c)
		if err != nil {
			return nil, fmt.Errorf("tallygate: ledger %s: %w", c.Dir, err)
		}
		running.Store(s)
		return &openLedger{service: s}, nil
	})
	if err != nil {
		return nil, err
	}
	o := v.(*openLedger)
	if loaded {
		if err := o.service.Fits(c); err != nil {
			_, derr := ledgers.Delete(c.Dir)
			return nil, fmt.Errorf("tallygate: %w; nothing was changed (%v)", err, derr)
		}
		o.wait(c)
	}
	return o, nil
}

func (o *openLedger) wait(c service.Config) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = &c
}

// stop is called for the configuration that ends. See App.Stop.
func (o *openLedger) stop(c service.Config, log *slog.Logger) error {
	o.mu.Lock()
	next := o.waiting
	o.waiting = nil
	o.mu.Unlock()
	if next == nil || next.Settings == c.Settings {
		return nil
	}
	if err := o.service.Apply(next.Settings); err != nil {
		log.Error("the new settings could not be put in force; the old ones stay until the next reload", "error", err)
		return err
	}
	return nil
}

// Destruct closes the ledger, when the last configuration has let go of it.
func (o *openLedger) Destruct() error {
	running.Store(nil)
	return closeService(o.service)
}

func release(c service.Config) error {
	_, err := ledgers.Delete(c.Dir)
	return err
}
