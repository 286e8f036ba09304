package caddymodule

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/tallygate/tallygate/caddymodule/service"
	"github.com/tallygate/tallygate/rating/pricebook"
)

func init() { caddy.RegisterModule(&App{}) }

// CaddyModule tells Caddy about the app.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tallygate", New: func() caddy.Module { return new(App) }}
}

// appState is what an App holds besides its configuration.
type appState struct {
	config service.Config
	log    *slog.Logger
	open   *openLedger // from Start to Cleanup
	fate   *fate
}

// Provision checks the configuration and reads the price book. It opens
// nothing: `caddy validate` provisions too, beside a running gateway.
func (a *App) Provision(ctx caddy.Context) error {
	a.state.log, a.state.fate = ctx.Slogger(), newFate()
	if err := a.expand(); err != nil {
		return err
	}
	if err := a.checkWords(); err != nil {
		return err
	}
	book, err := a.loadBook()
	if err != nil {
		return err
	}
	if a.state.config, err = a.serviceConfig(book); err != nil {
		return err
	}
	a.state.config.Logger = a.state.log
	if a.state.config.Tell, err = tellCaddy(ctx); err != nil {
		return err
	}
	return registerMetrics(ctx.GetMetricsRegistry())
}

func (a *App) loadBook() (*pricebook.Book, error) {
	if a.PriceBook == "" {
		return nil, fmt.Errorf("tallygate: no price book: add to the global option: pricebook ./pricebook.yaml")
	}
	return pricebook.Load(a.PriceBook)
}

// Start opens the ledger, or takes over the one that the configuration before
// this has open. What changes in that case is put in force when the old
// configuration stops: only then is it certain that this one was accepted.
func (a *App) Start() error {
	open, err := acquire(candidate{a.state.config, a.state.fate})
	if err != nil {
		return err
	}
	a.state.open = open
	return nil
}

// Stop settles the fate of a reload: if it was this configuration that waited to
// be put in force, it was rejected; otherwise this one is being replaced.
func (a *App) Stop() error {
	if a.state.open == nil {
		return nil
	}
	return a.state.open.stop(a.state.fate, a.state.log)
}

// Cleanup lets go of the ledger; the last one closes it. It is all that is
// called where Start failed.
func (a *App) Cleanup() error {
	if a.state.fate != nil {
		a.state.fate.decide(false)
	}
	if a.state.open == nil {
		return nil
	}
	a.state.open.forget(a.state.fate)
	a.state.open = nil
	return release(a.state.config)
}

// inForce tells whether the configuration was accepted; see fate.
func (a *App) inForce() bool { return a.state.fate.accepted() }

// gateway is nil while no ledger is open. Requests of a configuration that is
// unloaded may still ask for it.
func (a *App) gateway() gateway {
	if s := running.Load(); s != nil {
		return s
	}
	return nil
}

// checkOperations refuses operations that the price book does not price.
func (a *App) checkOperations(names []string) error {
	for _, n := range names {
		if _, ok := a.state.config.Book.Operation(n); !ok {
			return fmt.Errorf("operation %s is not in the price book %s: add it there, or list its requests as unmetered", n, a.PriceBook)
		}
	}
	return nil
}

// serviceConfig fills in the defaults.
func (a *App) serviceConfig(book *pricebook.Book) (service.Config, error) {
	c := service.Config{Anchor: a.Anchor, Node: a.Node, Test: a.TestLedger,
		SyncInterval: time.Duration(a.SyncInterval), ClockGap: orDefault(a.ClockGap, 31*day),
		Reserve: uint64(a.Reserve), Ballast: service.DefaultBallast,
		Settings: service.Settings{Book: book, Policy: a.policy(),
			FlushInterval: orDefault(a.FlushInterval, time.Hour), SealWait: orDefault(a.SealWait, time.Minute), LetThrough: a.OnFailure == onFailureAllow}}
	if a.Ballast != nil {
		c.Ballast = *a.Ballast
	}
	var err error
	if c.Dir, err = filepath.Abs(a.ledgerDir()); err != nil {
		return c, fmt.Errorf("ledger %s: %w", a.Ledger, err)
	}
	if c.Zone, err = parseZone(a.Timezone); err != nil {
		return c, err
	}
	if c.Finance, err = parseFinance(a.Finance); err != nil {
		return c, err
	}
	if c.Node == "" {
		c.Node = defaultNode()
	}
	if a.TestStart != "" {
		if c.TestStart, err = time.Parse(time.RFC3339, a.TestStart); err != nil {
			return c, fmt.Errorf("test_clock start %q: write it as 2026-01-31T23:00:00+08:00", a.TestStart)
		}
	}
	return c, c.Check()
}

func (a *App) ledgerDir() string {
	if a.Ledger != "" {
		return a.Ledger
	}
	return filepath.Join(caddy.AppDataDir(), "tallygate")
}

// closeTimeout bounds how long the last Cleanup waits for calls in flight.
const closeTimeout = 10 * time.Second

func closeService(s *service.Service) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return s.Close(ctx)
}

var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
