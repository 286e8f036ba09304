package caddymodule

import (
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter"
	"github.com/tallygate/tallygate/meter/outcome"
)

// watch is the response of an admitted call on its way to the client. It
// settles the call before the last byte is passed on (D2): when a write would
// complete the declared length, or when the handlers return. It keeps nothing
// of the configuration that served the request, which may be unloaded first.
type watch struct {
	caddyhttp.ResponseWriterWrapper
	request *http.Request
	meter   *meter.Meter
	hold    meter.Hold
	body    *body
	rule    *outcome.Rule

	patience patience

	limit, remaining uint32 // of the rate, for its fields; 0 = none
	status           int    // the first from 200 up, or 101; 0 = none yet
	left             int64  // bytes missing of the declared length; -1 = none declared
	tap              tap

	bodiless    bool // a HEAD request
	tunnel      bool // a CONNECT request: what succeeds is an upgrade
	settled     bool
	writeFailed bool
}

// watch wraps the response of a call that was admitted. The method is as the
// client sent it.
func (h *Handler) watch(w http.ResponseWriter, r *http.Request, method string, m *meter.Meter, op *operation, a *admission) *watch {
	c := &watch{
		ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w},
		request:               r,
		meter:                 m,
		hold:                  a.hold,
		body:                  a.body,
		rule:                  op.rule,
		left:                  -1,
		bodiless:              method == http.MethodHead,
		tunnel:                method == http.MethodConnect,
	}
	if !h.observe {
		c.limit, c.remaining = a.verdict.Limit, a.verdict.Remaining
	}
	if a.hold.HasImage() {
		c.patience.wait = op.naming.wait
	}
	if len(op.rule.Members) > 0 {
		askForReadable(r.Header)
		c.tap.open = true
	}
	return c
}

// run hands the call on. A panic of a later handler passes through.
func (w *watch) run(next caddyhttp.Handler) (err error) {
	returned := false
	defer func() { w.end(returned, err) }()
	r, done := w.patience.request(w.request)
	defer done()
	err = next.ServeHTTP(w, r)
	returned = true
	return err
}

// WriteHeader judges the status.
func (w *watch) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.begin(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watch) begin(status int) {
	w.status = status
	h := w.Header()
	if w.limit > 0 {
		setRate(h, w.limit, w.remaining)
	}
	why := w.rule.OfStatus(status)
	if why == 0 && w.tunnel {
		why = account.FailedUpgrade
	}
	if why != 0 {
		w.settle(why)
		return
	}
	if w.bodiless || status == http.StatusNoContent || status == http.StatusNotModified {
		w.bodiless, w.tap.open = true, false
	} else if n, err := strconv.ParseInt(first(h["Content-Length"]), 10, 64); err == nil {
		w.left = n
	}
	if (w.bodiless || w.left == 0) && w.endsWithBody() {
		w.complete(nil)
	}
}

// endsWithBody reports whether the client knows that the response is over when
// the body is: where trailers are waited for, only if none can follow.
func (w *watch) endsWithBody() bool {
	return len(w.rule.Trailers) == 0 || w.request.ProtoMajor < 2 && w.Header()["Trailer"] == nil
}

// Write looks at the bytes before it passes them on.
func (w *watch) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.settled {
		w.look(p)
	}
	n, err := w.ResponseWriter.Write(p)
	if err != nil {
		w.writeFailed = true
	}
	return n, err
}

func (w *watch) look(p []byte) {
	if w.left >= 0 {
		w.left = max(0, w.left-int64(len(p)))
		if w.left == 0 && w.endsWithBody() {
			w.complete(p)
			return
		}
	}
	if w.tap.open {
		if why := w.tap.keep(w.rule, w.encoding(), p); why != 0 {
			w.settle(why)
		}
	}
}

// complete settles a call whose response the upstream sent to its end; last is
// what the tap has not seen.
func (w *watch) complete(last []byte) {
	why := account.Kind(0)
	if len(w.rule.Trailers) > 0 {
		why = w.rule.OfTrailers(w.Header())
	}
	if why == 0 && w.tap.open {
		var whole bool
		if why, whole = w.tap.judge(w.rule, w.encoding(), last, true); why == 0 && !whole {
			presumed.Add(1)
		}
	} else if why == 0 && w.tap.full {
		presumed.Add(1)
	}
	w.settle(why)
}

// presumed counts the calls that were counted although the end of their body,
// which the rule asks for, was beyond the prefix that is looked at (D1).
var presumed atomic.Uint64

// end settles what the response itself did not.
func (w *watch) end(returned bool, err error) {
	if w.settled {
		return
	}
	switch {
	case w.status == 0:
		w.settle(account.FailedUpstream)
	case returned && err == nil && w.left <= 0 && !w.writeFailed:
		w.complete(nil)
	case w.writeFailed || w.request.Context().Err() != nil: // the client left (D3)
		why := account.Kind(0)
		if w.tap.open {
			why, _ = w.tap.judge(w.rule, w.encoding(), nil, false)
		}
		w.settle(why)
	case returned && err != nil:
		w.settle(account.FailedUpstream)
	default:
		w.settle(account.FailedTruncated)
	}
}

func (w *watch) encoding() string { return first(w.Header()["Content-Encoding"]) }

// first is what http.Header.Get returns, without a look at how the name is spelt.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// settle counts the call if why is 0, and otherwise gives back what it held, but
// for an image that the upstream may have.
func (w *watch) settle(why account.Kind) {
	if w.settled {
		return
	}
	w.settled = true
	w.tap.close()
	doubtful := w.doubtful(why)
	if w.body.broken() { // it named two things: whatever the upstream made of it
		why = account.FailedUpstream
	}
	switch {
	case why == 0:
		w.meter.Post(&w.hold)
	case doubtful:
		w.meter.Doubt(&w.hold, why)
	default:
		w.meter.Release(&w.hold, why)
	}
}

// doubtful reports whether the upstream may have done what it was asked, should
// the call not count: it began to say so, and was not heard to the end, or its
// answer was not waited for.
func (w *watch) doubtful(why account.Kind) bool {
	began := w.status != 0 && w.rule.OfStatus(w.status) == 0
	unheard := why == 0 || why == account.FailedTruncated || why == account.FailedUpstream
	return began && unheard || w.patience.lost.Load()
}
