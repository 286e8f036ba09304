package caddymodule

import (
	"net/http"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter"
	"github.com/tallygate/tallygate/meter/route"
)

func init() { caddy.RegisterModule(&Handler{}) }

// Handler is the directive `meter`: it admits the calls of known customers to
// priced operations, and counts the ones that succeed.
type Handler struct {
	// Mode is enforce (default), or observe: judge and record, refuse nothing.
	Mode string `json:"mode,omitempty"`

	// Keys are tried in order; the first that names an account counts. None of
	// them is sent upstream.
	Keys []Key `json:"keys,omitempty"`

	// ForwardKey leaves the keys in the request.
	ForwardKey bool `json:"forward_key,omitempty"`

	// TrustUpstreamSignature identifies clients that sign their requests by the
	// access key id in Authorization. The signature is left to the upstream to
	// check: until it has, whoever knows an id acts in its name.
	TrustUpstreamSignature bool `json:"trust_upstream_signature,omitempty"`

	// Operations are what is metered, and Unmetered what else passes. All other
	// requests are refused.
	Operations []Operation     `json:"operations,omitempty"`
	Unmetered  []route.Pattern `json:"unmetered,omitempty"`

	// Of these, the entry that names an operation most closely applies to it.
	Instances []Instance `json:"instances,omitempty"`
	Images    []Images   `json:"images,omitempty"`
	Success   []Success  `json:"success,omitempty"`
	Refusals  []Refusal  `json:"refusals,omitempty"`

	// HandleErrors returns refusals as errors, for handle_errors to render. The
	// placeholders {tallygate.*} describe them.
	HandleErrors bool `json:"handle_errors,omitempty"`

	uses    []use // of a Caddyfile
	observe bool
	keys    []keySource
	plan    plan
	host    host
	bound   atomic.Pointer[binding]
}

// CaddyModule tells Caddy about the handler.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.meter", New: func() caddy.Module { return new(Handler) }}
}

// Provision prepares the handler. It touches nothing that is shared: `caddy
// validate` comes here, too.
func (h *Handler) Provision(ctx caddy.Context) error {
	app, err := ctx.App("tallygate")
	if err != nil {
		return err
	}
	return h.provision(app.(host))
}

// ServeHTTP takes a call through its life.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	if vars[meteredVar] != nil {
		return next.ServeHTTP(w, r)
	}
	if !h.host.inForce() {
		return h.refuse(w, r, nil, &h.plan.unknown, meter.Verdict{Reason: account.MeteringUnavailable})
	}
	keepToHTTP(r.Header)
	method, sent := original(r)
	op := h.classify(r, method, sent)
	if op == &h.plan.unmetered {
		h.hideKeys(r)
		return next.ServeHTTP(w, r)
	}
	b := h.bind()
	var a admission
	err := h.admit(b, op, r, &a)
	defer a.body.free()
	if err != nil {
		h.hideKeys(r)
		return err
	}
	if a.verdict.Refused() {
		return h.refuse(w, r, b, op, a.verdict)
	}
	h.hideKeys(r)
	if vars != nil { // in a server of Caddy's
		vars[meteredVar] = true
	}
	if a.verdict.Reason != 0 { // observed: forwarded, and not counted
		return next.ServeHTTP(w, r)
	}
	return h.watch(w, r, method, b.meter, op, &a).run(next)
}

// admission is what the meter said of a call. It is large: pass it by address.
type admission struct {
	hold    meter.Hold
	verdict meter.Verdict
	body    *body // nil where nothing is looked for in it
}

// admit asks the meter whether the call may run, and fills in what it said. An
// error says that the request could not be read.
func (h *Handler) admit(b *binding, op *operation, r *http.Request, a *admission) error {
	if b == nil {
		a.verdict = meter.Verdict{Reason: account.MeteringUnavailable, Observed: h.observe}
		return nil
	}
	key, known := h.identify(b.meter, r)
	call := meter.Call{Key: key, Operation: b.number(op), Observe: h.observe}
	clear := true
	switch {
	case !known:
		a.verdict = b.meter.Refuse(call, account.Unauthenticated)
		return nil
	case op == &h.plan.unknown:
		a.verdict = b.meter.Refuse(call, account.UnknownOperation)
		return nil
	case op.naming.reads():
		return op.naming.admit(b.meter, r, call, a)
	case op.naming != nil:
		call.Instance, clear = op.naming.instance.in(r)
	}
	if !clear {
		a.verdict = b.meter.Refuse(call, account.WrongInstance)
		return nil
	}
	a.hold, a.verdict = b.meter.Admit(call)
	return nil
}

// meteredVar marks a request that a meter has taken, so that another meter in
// its way does not count it again.
const meteredVar = "tallygate.metered"

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ caddyfile.Unmarshaler       = (*Handler)(nil)
)
