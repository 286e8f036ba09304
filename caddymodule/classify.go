package caddymodule

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/tallygate/tallygate/meter/route"
)

// classify finds the operation of a request as the client sent it, by method and
// URL, whatever earlier handlers made of it, and gives the path its one encoding
// unless one of them rewrote it.
func (h *Handler) classify(r *http.Request, method string, sent *url.URL) *operation {
	path, normal := route.Normal(sent)
	if !normal {
		return &h.plan.unknown
	}
	target, ok := h.plan.routes.Match(method, path, sent.RawQuery)
	if !ok {
		return &h.plan.unknown
	}
	if r.URL.Path == sent.Path && r.URL.RawPath == sent.RawPath {
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

// original returns method and URL as the client sent them. It switches on the
// type of what Caddy keeps, as an assertion with ok copies the struct once more.
func original(r *http.Request) (string, *url.URL) {
	switch o := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(type) {
	case http.Request:
		return o.Method, o.URL
	}
	return r.Method, r.URL
}
