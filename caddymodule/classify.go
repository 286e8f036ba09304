package caddymodule

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/tallygate/tallygate/meter/route"
)

// classify finds the operation of a request as the client sent it, whatever
// earlier handlers made of it, and gives the path its one encoding unless one
// of them rewrote it.
func (h *Handler) classify(r *http.Request) *operation {
	method, url := original(r)
	path, normal := route.Normal(url)
	if !normal {
		return &h.plan.unknown
	}
	target, ok := h.plan.routes.Match(method, path, url.RawQuery)
	if !ok {
		return &h.plan.unknown
	}
	if r.URL.Path == url.Path && r.URL.RawPath == url.RawPath {
		route.Forward(r.URL)
	}
	if target == unmeteredTarget {
		return &h.plan.unmetered
	}
	return &h.plan.operations[target]
}

// keepToHTTP drops a client's wish to speak another protocol than WebSocket
// after this request. Over h2c, for one, it could go on to call whatever the
// upstream has, and no meter would see it. A server need not hear such a wish
// (RFC 9110, section 7.8).
func keepToHTTP(h http.Header) {
	if wish, ok := h["Upgrade"]; ok && (len(wish) != 1 || !strings.EqualFold(wish[0], "websocket")) {
		delete(h, "Upgrade")
	}
}

// original returns method and URL as the client sent them.
func original(r *http.Request) (string, *url.URL) {
	if o, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return o.Method, o.URL
	}
	return r.Method, r.URL
}
