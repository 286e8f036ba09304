package caddymodule

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/caddymodule/service"
)

// defaultZone is that of the billing rules (D7).
const defaultZone = "+08:00"

const day = 24 * time.Hour

func orDefault(d caddy.Duration, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return time.Duration(d)
}

// expand replaces placeholders such as {env.LEDGER} in the settings.
func (a *App) expand() error {
	known := caddy.NewReplacer()
	for _, setting := range []*string{&a.Ledger, &a.PriceBook, &a.Timezone, &a.Anchor, &a.Node, &a.TestStart, &a.Finance} {
		value, err := known.ReplaceOrErr(*setting, true, true)
		if err != nil {
			return fmt.Errorf("tallygate: %s: %w: set it, or write the value itself", *setting, err)
		}
		*setting = value
	}
	return nil
}

// policy is how long grace and retention last (D20).
func (a *App) policy() account.Policy {
	var set Arrears
	if a.Arrears != nil {
		set = *a.Arrears
	}
	p := account.Policy{
		Law: account.Law{
			Grace:        int64(orDefault(set.Grace, 15*day) / time.Second),
			Retention:    int64(orDefault(set.Retention, 15*day) / time.Second),
			AllowInGrace: set.AllowInGrace,
		},
		EndOfDay:  a.Expiry == expiryEndOfDay,
		Purchases: a.PurchasesPerMonth,
		Realtime:  set.Enforce == enforceRealtime,
	}
	if p.Purchases == 0 {
		p.Purchases = 1
	}
	return p
}

// The words of the settings that choose between two ways.
const (
	expiryInstant   = "instant"
	expiryEndOfDay  = "end_of_day"
	enforceHourly   = "hourly"
	enforceRealtime = "realtime"
	onFailureDeny   = "deny"
	onFailureAllow  = "allow"
)

// checkWords refuses other words than the known ones, in a configuration that
// is no Caddyfile.
func (a *App) checkWords() error {
	enforce := ""
	if a.Arrears != nil {
		enforce = a.Arrears.Enforce
	}
	switch {
	case a.Expiry != "" && a.Expiry != expiryInstant && a.Expiry != expiryEndOfDay:
		return fmt.Errorf("tallygate: expiry %q: use %s or %s", a.Expiry, expiryInstant, expiryEndOfDay)
	case a.OnFailure != "" && a.OnFailure != onFailureDeny && a.OnFailure != onFailureAllow:
		return fmt.Errorf("tallygate: on_failure %q: use %s or %s", a.OnFailure, onFailureDeny, onFailureAllow)
	case a.Reserve < 0:
		return fmt.Errorf("tallygate: reserve %d: must not be negative", a.Reserve)
	case enforce != "" && enforce != enforceHourly && enforce != enforceRealtime:
		return fmt.Errorf("tallygate: arrears: enforce %q: use %s or %s", enforce, enforceHourly, enforceRealtime)
	}
	return nil
}

// parseFinance reads the hash of a token; none is all zeros.
func parseFinance(text string) (hash [sha256.Size]byte, err error) {
	if text == "" {
		return hash, nil
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(hash) {
		return hash, fmt.Errorf("finance %q: write the SHA-256 of a token, 64 hex digits, as printed by: printf %%s \"$TOKEN\" | sha256sum", text)
	}
	return [sha256.Size]byte(b), nil
}

// parseZone reads an IANA name or an offset.
func parseZone(name string) (*time.Location, error) {
	return service.ParseZone(cmp.Or(name, defaultZone))
}

var notInNode = regexp.MustCompile(`[^a-z0-9-]+`)

// defaultNode is the host's name as far as file names take it.
func defaultNode() string {
	host, err := os.Hostname()
	if err != nil {
		return "gateway"
	}
	name := strings.Trim(notInNode.ReplaceAllString(strings.ToLower(host), "-"), "-")
	if name == "" {
		return "gateway"
	}
	return name[:min(len(name), 32)]
}
