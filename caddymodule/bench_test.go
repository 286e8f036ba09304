package caddymodule

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// discard is a ResponseWriter that costs nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// handled returns what serves one metered call with a body rule, and no proxy.
func handled(t testing.TB) func() {
	var h Handler
	if err := json.Unmarshal([]byte(`{"keys":[{"from":"header","name":"X-Api-Key"}],"forward_key":true,
		"operations":[{"name":"recognition/tag","method":"POST","path":"/v2/{project_id}/image/tagging"}],
		"success":[{"operations":"*","members":[{"name":"error_code","absent":true}]}]}`), &h); err != nil {
		t.Fatal(err)
	}
	if err := h.provision(newGate(t)); err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse("/v2/0123456789abcdef/image/tagging")
	vars := make(map[string]any)
	ctx := context.WithValue(context.Background(), caddyhttp.VarsCtxKey, vars)
	ctx = context.WithValue(ctx, caddyhttp.OriginalRequestCtxKey, http.Request{Method: "POST", URL: u})
	r := (&http.Request{Method: "POST", URL: u, ProtoMajor: 1, Header: http.Header{"X-Api-Key": {"alice"}}}).WithContext(ctx)
	w := discard{http.Header{"Content-Length": {"90"}}}
	body := []byte(`{"result":{"tags":[{"confidence":"98.38","type":"object","tag":"dog"}]},"request":"0001"} `)
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(200)
		_, err := w.Write(body)
		return err
	})
	return func() {
		delete(vars, meteredVar)
		if err := h.ServeHTTP(w, r, next); err != nil {
			t.Fatal(err)
		}
	}
}

// One allocation is the watching writer itself.
func TestCallAllocatesOnlyTheWatch(t *testing.T) {
	call := handled(t)
	if n := testing.AllocsPerRun(1000, call); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCall(b *testing.B) {
	call := handled(b)
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}

// BenchmarkSetRate sets the fields of a limit of which all values are kept, and of
// one that is larger.
func BenchmarkSetRate(b *testing.B) {
	for _, limit := range []uint32{100, 100_000} {
		b.Run(strconv.Itoa(int(limit)), func(b *testing.B) {
			h := make(http.Header)
			b.ReportAllocs()
			for b.Loop() {
				setRate(h, limit, limit-1)
			}
		})
	}
}
