package caddymodule

import (
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/dustin/go-humanize"
	"github.com/tallygate/tallygate/rating"
)

func init() { httpcaddyfile.RegisterGlobalOption("tallygate", parseGlobalOption) }

// parseGlobalOption reads the global option:
//
//	tallygate {
//		ledger         <folder>
//		pricebook      <file>
//		timezone       <zone>
//		flush_interval <duration>
//		seal_wait      <duration>
//		sync_interval  <duration>
//		reserve        <size>
//		ballast        <size>, 0 for none
//		on_failure     deny | allow
//		anchor         <file>
//		node           <name>
//		clock_gap      <duration>
//		test_clock     [<start>]
//		expiry         instant | end_of_day
//		purchases_per_month <number>
//		finance        <sha256 of a token>
//		arrears {
//			grace     <duration>
//			retention <duration>
//			allow_in_grace
//			enforce   hourly | realtime
//		}
//	}
//
// test_clock marks a ledger that is created as one for tests, whose clock
// stands still until it is advanced.
func parseGlobalOption(d *caddyfile.Dispenser, earlier any) (any, error) {
	d.Next() // the option's name
	if earlier != nil {
		return nil, d.Err("tallygate is there twice: put all of it into one block")
	}
	if d.NextArg() {
		return nil, d.Errf("tallygate takes no argument, but has %q: write its settings in a block { }", d.Val())
	}
	app := new(App)
	err := block(d, "tallygate", settings{
		"ledger":         text(&app.Ledger, "ledger <folder>"),
		"pricebook":      text(&app.PriceBook, "pricebook <file>"),
		"timezone":       app.parseTimezone,
		"flush_interval": app.parseFlushInterval,
		"seal_wait":      duration(&app.SealWait, "seal_wait <duration>, as in: seal_wait 60s"),
		"sync_interval":  duration(&app.SyncInterval, "sync_interval <duration>, as in: sync_interval 100ms"),
		"reserve":        bytesOfDisk(&app.Reserve, "reserve", "64MiB"),
		"ballast":        app.parseBallast,
		"on_failure":     choice(&app.OnFailure, "on_failure", onFailureDeny, onFailureAllow),
		"anchor":         text(&app.Anchor, "anchor <file>"),
		"node":           text(&app.Node, "node <name>"),
		"clock_gap":      duration(&app.ClockGap, "clock_gap <duration>, as in: clock_gap 31d"),
		"test_clock":     app.parseTestClock,
		"arrears":        app.parseArrears,
		"expiry":         choice(&app.Expiry, "expiry", expiryInstant, expiryEndOfDay),
		"finance":        app.parseFinance,

		"purchases_per_month": app.parsePurchases,
	})
	if err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "tallygate", Value: caddyconfig.JSON(app, nil)}, nil
}

func (app *App) parseTimezone(d *caddyfile.Dispenser) error {
	if err := text(&app.Timezone, "timezone <zone>, as in: timezone Asia/Shanghai")(d); err != nil {
		return err
	}
	if strings.Contains(app.Timezone, "{") { // known when it is provisioned
		return nil
	}
	if _, err := parseZone(app.Timezone); err != nil {
		return d.Err(err.Error())
	}
	return nil
}

func (app *App) parseFlushInterval(d *caddyfile.Dispenser) error {
	if err := duration(&app.FlushInterval, "flush_interval <duration>, as in: flush_interval 15m")(d); err != nil {
		return err
	}
	if err := rating.CheckInterval(time.Duration(app.FlushInterval)); err != nil {
		return d.Errf("flush_interval: %v", err)
	}
	return nil
}

func (app *App) parseTestClock(d *caddyfile.Dispenser) error {
	args, err := arguments(d, "test_clock [<start>], as in: test_clock 2026-01-01T00:00:00+08:00", 0, 1)
	if err != nil {
		return err
	}
	app.TestLedger = true
	if len(args) == 1 {
		app.TestStart = args[0]
		if _, err := time.Parse(time.RFC3339, app.TestStart); err != nil {
			return d.Errf("test_clock %q: write date, time and zone, as in: test_clock 2026-01-01T00:00:00+08:00", app.TestStart)
		}
	}
	return nil
}

func (app *App) parseArrears(d *caddyfile.Dispenser) error {
	if _, err := arguments(d, "arrears { }", 0, 0); err != nil {
		return err
	}
	app.Arrears = new(Arrears)
	return block(d, "arrears", settings{
		"grace":     duration(&app.Arrears.Grace, "grace <duration>, as in: grace 15d"),
		"retention": duration(&app.Arrears.Retention, "retention <duration>, as in: retention 15d"),
		"enforce":   choice(&app.Arrears.Enforce, "enforce", enforceHourly, enforceRealtime),
		"allow_in_grace": func(d *caddyfile.Dispenser) error {
			app.Arrears.AllowInGrace = true
			_, err := arguments(d, "allow_in_grace", 0, 0)
			return err
		},
	})
}

func (app *App) parsePurchases(d *caddyfile.Dispenser) error {
	const usage = "purchases_per_month <number>, as in: purchases_per_month 1"
	value, err := one(d, usage)
	if err != nil {
		return err
	}
	number, err := strconv.ParseUint(value, 10, 16)
	if err != nil || number == 0 {
		return d.Errf("purchases_per_month %q: write %s", value, usage)
	}
	app.PurchasesPerMonth = uint32(number)
	return nil
}

func (app *App) parseFinance(d *caddyfile.Dispenser) error {
	if err := text(&app.Finance, "finance <sha256>, as printed by: printf %s \"$TOKEN\" | sha256sum")(d); err != nil {
		return err
	}
	if strings.Contains(app.Finance, "{") { // known when it is provisioned
		return nil
	}
	if _, err := parseFinance(app.Finance); err != nil {
		return d.Err(err.Error())
	}
	return nil
}

// bytesOfDisk reads a setting that is a number of bytes, once.
func bytesOfDisk(into *int64, name, example string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		usage := name + " <size>, as in: " + name + " " + example
		value, err := one(d, usage)
		if err != nil {
			return err
		}
		if *into != 0 {
			return d.Errf("%s is there twice: remove one", name)
		}
		bytes, err := humanize.ParseBytes(value)
		if err != nil || bytes > 1<<50 {
			return d.Errf("%s %q: write %s", name, value, usage)
		}
		*into = int64(bytes)
		return nil
	}
}

func (app *App) parseBallast(d *caddyfile.Dispenser) error {
	if app.Ballast != nil {
		return d.Err("ballast is there twice: remove one")
	}
	app.Ballast = new(int64)
	return bytesOfDisk(app.Ballast, "ballast", "128MiB, or: ballast 0")(d)
}

// choice reads a setting of one word out of two.
func choice(into *string, name, first, second string) func(*caddyfile.Dispenser) error {
	usage := name + " " + first + " | " + second
	return func(d *caddyfile.Dispenser) error {
		if err := text(into, usage)(d); err != nil {
			return err
		}
		if *into != first && *into != second {
			return d.Errf("%s %q: write %s", name, *into, usage)
		}
		return nil
	}
}

// text reads a setting of one word, once.
func text(into *string, usage string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		value, err := one(d, usage)
		if err != nil {
			return err
		}
		if *into != "" {
			return d.Errf("%s is there twice: remove one", name)
		}
		*into = value
		return nil
	}
}

// duration reads a setting that is a length of time above zero; d stands for
// days.
func duration(into *caddy.Duration, usage string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		value, err := one(d, usage)
		if err != nil {
			return err
		}
		length, err := caddy.ParseDuration(value)
		if err != nil || length <= 0 {
			return d.Errf("%s %q: write %s", name, value, usage)
		}
		*into = caddy.Duration(length)
		return nil
	}
}
