package caddymodule

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// patience keeps the call of an add or a delete going when its client has left:
// what the upstream did must be known, or to leave in time would be a way to hold
// more images than there is room for (D28). After a while it is given up, and
// nobody knows.
type patience struct {
	wait time.Duration // 0 = the call ends with its client
	lost atomic.Bool   // it was given up
}

// request is a request that outlasts its client, until done is called.
func (p *patience) request(r *http.Request) (outlasting *http.Request, done func()) {
	if p.wait <= 0 {
		return r, func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	stop := context.AfterFunc(r.Context(), func() {
		timer := time.NewTimer(p.wait)
		defer timer.Stop()
		select {
		case <-timer.C:
			p.lost.Store(true)
			cancel()
		case <-ctx.Done():
		}
	})
	return r.WithContext(ctx), func() { stop(); cancel() }
}
