package caddymodule

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter"
)

// refuse answers a call that may not run.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, b *binding, op *operation, v meter.Verdict) error {
	answer := op.refusals.byKind[v.Reason]
	id := ""
	if b != nil {
		id = b.gateway.RefusalID(v, b.number(op))
	}
	header := w.Header()
	if v.Limit > 0 {
		setRate(header, v.Limit, v.Remaining)
	}
	switch v.Reason {
	case account.RateLimited:
		header["Retry-After"] = []string{retryAfter(v.Wait)}
	case account.MeteringUnavailable:
		header["Retry-After"] = []string{"1"}
	case account.Unauthenticated:
		header["Www-Authenticate"] = []string{h.challenge()}
	}
	if h.HandleErrors {
		h.hideKeys(r)
		return answer.asError(r, id)
	}
	if r.ProtoMajor == 1 && r.Header["Expect"] != nil {
		header["Connection"] = []string{"close"} // so that the body is not waited for
	}
	answer.write(w, id)
	return nil
}

func (a *refusal) write(w http.ResponseWriter, id string) {
	body := a.head + id + a.tail
	header := w.Header() // lists of this response alone, as in setRate
	header["Content-Type"] = []string{"application/problem+json"}
	header["Cache-Control"] = []string{"no-store"}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(body)) // the client has left, then
}

// asError leaves the answer to the site's handle_errors.
func (a *refusal) asError(r *http.Request, id string) error {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("tallygate.reason", a.kind.String())
		repl.Set("tallygate.refusal_id", id)
		repl.Set("tallygate.title", a.title)
		repl.Set("tallygate.detail", a.detail)
		repl.Set("tallygate.problem", a.head+id+a.tail)
	}
	return caddyhttp.HandlerError{StatusCode: a.status, ID: id, Err: errors.New(a.kind.String())}
}

// challenge is what RFC 9110 wants beside a 401.
func (h *Handler) challenge() string {
	for _, k := range h.keys {
		if k.from == fromBearer {
			return `Bearer realm="tallygate"`
		}
	}
	return `ApiKey realm="tallygate"`
}

// retryAfter rounds a wait up to whole seconds, at least one.
func retryAfter(wait int64) string {
	const second = int64(time.Second)
	return strconv.FormatInt(max(1, (wait+second-1)/second), 10)
}
