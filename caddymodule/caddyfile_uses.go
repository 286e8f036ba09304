package caddymodule

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/tallygate/tallygate/meter/route"
)

// use is where a setting names operations. They may stand further down, so it
// is checked when the whole block was read.
type use struct {
	what, operations string
	at               caddyfile.Token
}

func (h *Handler) use(d *caddyfile.Dispenser, what, operations string) {
	h.uses = append(h.uses, use{what, operations, d.Token()})
}

// checkWhole reports what is missing in a block, and names that match nothing.
func (h *Handler) checkWhole(d *caddyfile.Dispenser) error {
	if len(h.Operations) == 0 {
		return d.Err(errNoOperation.Error())
	}
	if len(h.Keys) == 0 && !h.TrustUpstreamSignature {
		return d.Err(errNoKey.Error())
	}
	var names []string
	for _, o := range h.Operations {
		names = append(names, o.Name)
	}
	for _, u := range h.uses {
		if !matchesAny(u.operations, names) {
			return fmt.Errorf("%s %s: there is no such operation; there are %s, at %s:%d", u.what, u.operations,
				strings.Join(names, ", "), u.at.File, u.at.Line)
		}
	}
	return nil
}

func matchesAny(glob string, names []string) bool {
	for _, n := range names {
		if route.Best([]string{glob}, n) == 0 {
			return true
		}
	}
	return false
}
