package caddymodule

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/tallygate/tallygate/web"
)

func init() {
	caddy.RegisterModule(&Health{})
	httpcaddyfile.RegisterHandlerDirective("tallygate_health", parseHealth)
	// Before meter, which refuses what it does not know.
	httpcaddyfile.RegisterDirectiveOrder("tallygate_health", httpcaddyfile.After, "request_header")
}

// Health is the directive `tallygate_health`: it tells a load balancer, with 200 or
// 503, whether to send calls here. The answer names the checks that failed and
// nothing else; /tallygate/health on the admin endpoint has the details. It costs
// little, and waits for nothing.
//
// Live: the ledger is open, and the gateway does not stop. What is not live for
// long is to be started again.
//
// Ready: live, this configuration is in force, there are counters for the present
// period, and what they count has reached the disk within ten sync intervals (and
// no less than a second). A ledger that cannot take money commands is ready: calls
// go on, and the alerts tell the operator.
type Health struct {
	// Check is live or ready (default).
	Check string `json:"check,omitempty"`

	app *App
}

const (
	checkLive  = "live"
	checkReady = "ready"
)

// CaddyModule tells Caddy about the handler.
func (*Health) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.tallygate_health", New: func() caddy.Module { return new(Health) }}
}

// Provision finds the app.
func (h *Health) Provision(ctx caddy.Context) error {
	app, err := ctx.App("tallygate")
	if err != nil {
		return err
	}
	h.app = app.(*App)
	return h.Validate()
}

// Validate refuses a check that there is not.
func (h *Health) Validate() error {
	switch h.Check {
	case "", checkLive, checkReady:
		return nil
	}
	return errors.New("tallygate_health: check " + h.Check + ": use live or ready")
}

// ServeHTTP answers, whatever the method.
func (h *Health) ServeHTTP(w http.ResponseWriter, _ *http.Request, _ caddyhttp.Handler) error {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	if failed := h.failed(); len(failed) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, err := io.WriteString(w, "failed: "+strings.Join(failed, ", ")+"\n")
		return err
	}
	_, err := io.WriteString(w, "ok\n")
	return err
}

// failed names the checks that fail.
func (h *Health) failed() (names []string) {
	s := running.Load()
	if s == nil || s.Stopping() {
		return []string{"ledger"}
	}
	if h.Check == checkLive {
		return nil
	}
	if !h.app.state.fate.yes.Load() { // as inForce, without waiting
		names = append(names, "configuration")
	}
	for _, r := range web.ChecksOf(s.Ready()).Checks {
		if r.Status == web.CheckFailed {
			names = append(names, r.Name)
		}
	}
	return names
}

func parseHealth(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	m := new(Health)
	return m, m.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile reads the directive:
//
//	tallygate_health [<matcher>] [live | ready]
//
// As in:
//
//	tallygate_health /livez live
//	tallygate_health /readyz
//
// It comes before meter, so that these requests are neither metered nor refused.
// Inside a handle block, meter must stand in another one:
//
//	handle /readyz {
//		tallygate_health ready
//	}
//	handle {
//		meter { … }
//		reverse_proxy …
//	}
func (h *Health) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	args, err := arguments(d, "tallygate_health [live | ready]", 0, 1)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		h.Check = args[0]
	}
	if h.Validate() != nil {
		return d.Errf("tallygate_health %q: use live or ready", h.Check)
	}
	if d.NextBlock(d.Nesting()) {
		return d.Err("tallygate_health has no settings: write tallygate_health [live | ready]")
	}
	return nil
}

var (
	_ caddyhttp.MiddlewareHandler = (*Health)(nil)
	_ caddy.Provisioner           = (*Health)(nil)
	_ caddyfile.Unmarshaler       = (*Health)(nil)
)
