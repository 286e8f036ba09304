package caddymodule

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/tallygate/tallygate/account"
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
	for _, setting := range []*string{&a.Ledger, &a.PriceBook, &a.Timezone, &a.Anchor, &a.Node, &a.TestStart} {
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
	return account.Policy{
		Grace:     int64(orDefault(set.Grace, 15*day) / time.Second),
		Retention: int64(orDefault(set.Retention, 15*day) / time.Second),
	}
}

var offsetPattern = regexp.MustCompile(`^[+-](0\d|1[0-4]):([0-5]\d)$`)

// parseZone reads an IANA name or an offset.
func parseZone(name string) (*time.Location, error) {
	if name == "" {
		name = defaultZone
	}
	if offsetPattern.MatchString(name) {
		t, err := time.Parse("-07:00", name)
		if err != nil {
			return nil, fmt.Errorf("timezone %q: %w", name, err)
		}
		_, seconds := t.Zone()
		return time.FixedZone(name, seconds), nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("timezone %q: use an IANA name such as Asia/Shanghai, or an offset such as +08:00", name)
	}
	return loc, nil
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
