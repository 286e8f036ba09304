package load

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// both are crowds of a server, by protocol.
func both(t *testing.T, handler http.HandlerFunc) map[string]Crowd {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	address := strings.TrimPrefix(s.URL, "http://")
	request := Request{Path: "/v2/p/image/tagging", Key: "tg_1", Type: "application/json", Body: Fixed(`{"a":1}`)}
	one, err := HTTP1(address, 4, request)
	if err != nil {
		t.Fatal(err)
	}
	crowds := map[string]Crowd{"HTTP/1.1": one, "HTTP/2.0": HTTP2(address, 4, request)}
	t.Cleanup(func() {
		for _, c := range crowds {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return crowds
}

// TestFor counts at the server what the clients say they sent.
func TestFor(t *testing.T) {
	var served atomic.Int64
	var protocol atomic.Value
	for name, crowd := range both(t, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		protocol.Store(r.Proto)
		body := make([]byte, 7)
		if _, err := r.Body.Read(body); string(body) != `{"a":1}` {
			t.Errorf("the body is %q: %v", body, err)
		}
		if r.Method != "POST" || r.URL.Path != "/v2/p/image/tagging" || r.Header.Get("X-Api-Key") != "tg_1" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
		}
		w.Write([]byte(`{"result":{}}`))
	}) {
		served.Store(0)
		for range 3 {
			before := served.Load()
			latencies, err := crowd.For(t.Context(), 20*time.Millisecond)
			if err != nil {
				t.Fatal(name, err)
			}
			if n := served.Load() - before; n < int64(len(crowd)) || n != int64(len(latencies)) || protocol.Load() != name {
				t.Errorf("%s: %d latencies of %d requests over %v", name, len(latencies), n, protocol.Load())
			}
		}
	}
}

func TestAnswersThatAreErrors(t *testing.T) {
	for name, crowd := range both(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		w.Write([]byte("too many"))
	}) {
		if _, err := crowd.For(t.Context(), time.Millisecond); err == nil || !strings.Contains(err.Error(), "429") || !strings.Contains(err.Error(), "too many") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, crowd := range both(t, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }) {
		if _, err := crowd.For(t.Context(), time.Millisecond); err == nil {
			t.Error("a connection that was closed is no error")
		}
	}
}
