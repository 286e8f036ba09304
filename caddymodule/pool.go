package caddymodule

import (
	"errors"
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

// candidate is a configuration that wants to be the gateway's.
type candidate struct {
	config service.Config
	fate   *fate
}

// openLedger is a gateway and the configuration that waits to be its next.
type openLedger struct {
	service *service.Service
	mu      sync.Mutex
	waiting *candidate
}

// acquire opens the gateway of a folder, or finds the open one and lets the new
// configuration wait for the old one's Stop.
func acquire(next candidate) (*openLedger, error) {
	c := next.config
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
	if !loaded {
		next.fate.decide(true)
		return o, nil
	}
	if err := o.service.Fits(c); err != nil {
		_, derr := ledgers.Delete(c.Dir)
		return nil, errors.Join(fmt.Errorf("tallygate: %w; nothing was changed", err), derr)
	}
	o.wait(next)
	return o, nil
}

func (o *openLedger) wait(c candidate) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = &c
}

// forget drops a configuration that was rejected after it had begun to wait.
func (o *openLedger) forget(f *fate) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting != nil && o.waiting.fate == f {
		o.waiting = nil
	}
}

// stop is called for the configuration that ends. See App.Stop.
func (o *openLedger) stop(own *fate, log *slog.Logger) error {
	o.mu.Lock()
	next := o.waiting
	o.waiting = nil
	o.mu.Unlock()
	if next == nil || next.fate == own {
		return nil
	}
	defer next.fate.decide(true)
	if err := o.service.Apply(next.config.Settings); err != nil {
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
