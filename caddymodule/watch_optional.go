package caddymodule

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/tallygate/tallygate/account"
)

// The optional abilities of a ResponseWriter, as far as they touch what is
// watched. All others are found through Unwrap.

// FlushError sends what was written so far, which begins the response.
func (w *watch) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is FlushError for handlers that ask for an http.Flusher.
func (w *watch) Flush() { _ = w.FlushError() }

// Hijack gives the connection away: from here on this is no call (D3).
func (w *watch) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.settle(account.FailedUpgrade)
	}
	return conn, buffered, err
}

// ReadFrom lets the kernel copy a file where the body need not be seen, all but
// the last byte of it before the call is settled (D2).
func (w *watch) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.tap.open && !w.settled {
		return io.Copy(writerOnly{w}, r)
	}
	if w.settled || w.left < 0 {
		return w.passOn(r)
	}
	early, err := w.passOnAtMost(w.left-1, r)
	w.left -= early
	if err != nil || w.left > 1 {
		return early, err
	}
	rest, err := io.Copy(writerOnly{w}, r)
	return early + rest, err
}

// passOn copies without looking. Its errors are taken for the client's: what
// has no need to be looked at comes from files.
func (w *watch) passOn(r io.Reader) (int64, error) {
	n, err := w.ResponseWriterWrapper.ReadFrom(r)
	if err != nil {
		w.writeFailed = true
	}
	return n, err
}

// passOnAtMost keeps the limit directly around a file, if there is one: the
// kernel does not copy through two.
func (w *watch) passOnAtMost(n int64, r io.Reader) (int64, error) {
	l, ok := r.(*io.LimitedReader)
	if !ok {
		return w.passOn(io.LimitReader(r, n))
	}
	done, err := w.passOn(&io.LimitedReader{R: l.R, N: min(n, l.N)})
	l.N -= done
	return done, err
}

// writerOnly hides all but Write.
type writerOnly struct{ io.Writer }
