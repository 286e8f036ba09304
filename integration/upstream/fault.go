package upstream

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is what a request asks to go wrong, or to arrive in an unusual way, in
// the header X-Sample-Fault or the query parameter sample_fault: one or more
// of the words below, separated by commas.
type Fault struct {
	ErrorIn200 bool // error-in-200: the vendor's error body under status 200
	Status     int  // status=503: that status with the vendor's error body
	NotJSON    bool // not-json: an HTML page under status 200
	NullError  bool // null-error: "error_code": null in a success; still one

	Hang     bool          // hang: never answers
	Hangup   bool          // hangup: closes the connection without an answer
	Delay    time.Duration // delay=300ms: waits before the header
	SlowBody time.Duration // slow-body=1s: spreads the body over that time

	Truncate bool // truncate: declares the length and cuts the connection halfway
	Chunked  bool // chunked: no declared length; truncate-chunked cuts it halfway
	Gzip     bool // gzip: a compressed body, whatever the client accepts
	SSE      bool // sse: the body as one server-sent event, flushed in pieces
	Hints    bool // early-hints: a 103 before the answer
	Pad      int  // pad=70000: that many spaces before the JSON body

	// Canned, for load: a fixed success without looking at the request body.
	// It is logged like any other, but names no search instance.
	Canned bool
}

var faultWords = map[string]func(f *Fault, value string) error{
	"error-in-200":     func(f *Fault, _ string) error { f.ErrorIn200 = true; return nil },
	"not-json":         func(f *Fault, _ string) error { f.NotJSON = true; return nil },
	"null-error":       func(f *Fault, _ string) error { f.NullError = true; return nil },
	"hang":             func(f *Fault, _ string) error { f.Hang = true; return nil },
	"hangup":           func(f *Fault, _ string) error { f.Hangup = true; return nil },
	"truncate":         func(f *Fault, _ string) error { f.Truncate = true; return nil },
	"chunked":          func(f *Fault, _ string) error { f.Chunked = true; return nil },
	"truncate-chunked": func(f *Fault, _ string) error { f.Truncate, f.Chunked = true, true; return nil },
	"gzip":             func(f *Fault, _ string) error { f.Gzip = true; return nil },
	"sse":              func(f *Fault, _ string) error { f.SSE, f.Chunked = true, true; return nil },
	"early-hints":      func(f *Fault, _ string) error { f.Hints = true; return nil },
	"canned":           func(f *Fault, _ string) error { f.Canned = true; return nil },
	"status":           func(f *Fault, v string) (err error) { f.Status, err = number(v, 300, 599); return },
	"pad":              func(f *Fault, v string) (err error) { f.Pad, err = number(v, 1, 16<<20); return },
	"delay":            func(f *Fault, v string) (err error) { f.Delay, err = time.ParseDuration(v); return },
	"slow-body":        func(f *Fault, v string) (err error) { f.SlowBody, err = time.ParseDuration(v); return },
}

func number(text string, low, high int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q is not a number from %d to %d", text, low, high)
	}
	return n, nil
}

func parseFault(r *http.Request) (Fault, error) {
	var f Fault
	words := strings.Split(r.Header.Get("X-Sample-Fault"), ",")
	if r.URL.RawQuery != "" {
		words = slices.Concat(words, strings.Split(r.URL.Query().Get("sample_fault"), ","))
	}
	for _, word := range words {
		name, value, _ := strings.Cut(strings.TrimSpace(word), "=")
		if name == "" {
			continue
		}
		set, ok := faultWords[name]
		if !ok {
			return Fault{}, fmt.Errorf("unknown fault %q", name)
		}
		if err := set(&f, value); err != nil {
			return Fault{}, fmt.Errorf("fault %s: %w", name, err)
		}
	}
	return f, nil
}

// spoils names what keeps a 200 from being a complete success, or is empty.
func (f Fault) spoils() string {
	switch {
	case f.Truncate && f.Chunked:
		return "truncate-chunked"
	case f.Truncate:
		return "truncate"
	case f.NotJSON:
		return "not-json"
	}
	return ""
}

// write sends the answer the way the fault wants it. To cut a body short it
// panics with http.ErrAbortHandler, which ends the connection.
func (f Fault) write(ctx context.Context, w http.ResponseWriter, status int, body []byte) {
	if f.Hints {
		w.Header().Set("Link", "</sample.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
	}
	body = f.dress(w.Header(), body)
	if !f.Chunked {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	if !f.Chunked && !f.Truncate && f.SlowBody == 0 {
		w.Write(body)
		return
	}
	if f.Truncate {
		body = body[:len(body)/2]
	}
	f.drip(ctx, w, body)
	if f.Truncate {
		panic(http.ErrAbortHandler)
	}
}

// dress turns the JSON body into what goes over the wire.
func (f Fault) dress(header http.Header, body []byte) []byte {
	contentType := "application/json"
	switch {
	case f.NotJSON:
		contentType, body = "text/html", []byte("<html><body>It works!</body></html>")
	case f.NullError:
		body = append([]byte(`{"error_code":null,`), body[1:]...)
	}
	if f.Pad > 0 {
		body = append(bytes.Repeat([]byte(" "), f.Pad), body...)
	}
	if f.SSE {
		contentType, body = "text/event-stream", slices.Concat([]byte("event: result\ndata: "), body, []byte("\n\n"))
	}
	header.Set("Content-Type", contentType)
	if !f.Gzip {
		return body
	}
	header.Set("Content-Encoding", "gzip")
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	zip.Write(body) // a bytes.Buffer cannot fail
	zip.Close()
	return packed.Bytes()
}

// drip flushes the header and then the body in pieces, spread over SlowBody.
// What a gone client cannot take is dropped.
func (f Fault) drip(ctx context.Context, w http.ResponseWriter, body []byte) {
	const pieces = 10
	flusher := http.NewResponseController(w)
	for i := range pieces {
		if flusher.Flush() != nil || !pause(ctx, f.SlowBody/pieces) {
			return
		}
		if _, err := w.Write(body[i*len(body)/pieces : (i+1)*len(body)/pieces]); err != nil {
			return
		}
	}
	_ = flusher.Flush() // the last piece; a gone client changes nothing now
}

// pause waits, and reports false if the call ended first.
func pause(ctx context.Context, wait time.Duration) bool {
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
