package caddymodule

import (
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/tallygate/tallygate/meter"
	"github.com/tallygate/tallygate/meter/outcome"
)

// watched runs a handler as a call of an operation with this rule, and returns
// what was counted. The cases here are those that no proxy brings about.
func watched(t *testing.T, protoMajor int, rule outcome.Rule, next func(w http.ResponseWriter, g *gate)) map[string]int {
	t.Helper()
	if err := rule.Compile(); err != nil {
		t.Fatal(err)
	}
	g := newGate(t)
	key, _ := g.meter.Identify(meter.Secret, sha256.Sum256([]byte("alice")))
	hold, verdict := g.meter.Admit(meter.Call{Key: key, Operation: 1})
	r := httptest.NewRequest("POST", "/", nil).WithContext(context.Background())
	r.ProtoMajor = protoMajor
	w := new(Handler).watch(httptest.NewRecorder(), r, r.Method, g.meter, &operation{rule: &rule}, &admission{hold: hold, verdict: verdict})
	if err := w.run(caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		next(w, g)
		return nil
	})); err != nil {
		t.Fatal(err)
	}
	return g.counts(alice)
}

func TestTheFirstStatusCounts(t *testing.T) {
	t.Parallel()
	got := watched(t, 1, outcome.Rule{}, func(w http.ResponseWriter, _ *gate) {
		w.WriteHeader(200)
		w.WriteHeader(500)
		io.WriteString(w, "hello")
	})
	if got["payg"] != 1 {
		t.Error(got)
	}
}

// HTTP/2 has trailers after a body of declared length, HTTP/1 has not.
func TestTrailersAfterADeclaredLength(t *testing.T) {
	t.Parallel()
	rule := outcome.Rule{Trailers: map[string]string{"grpc-status": "0"}}
	for protoMajor, want := range map[int]string{1: "failed-body", 2: "payg"} {
		got := watched(t, protoMajor, rule, func(w http.ResponseWriter, g *gate) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "hello")
			if settled := len(g.counts(alice)) > 0; settled != (protoMajor == 1) {
				t.Errorf("HTTP/%d: settled after the body: %v", protoMajor, settled)
			}
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		})
		if got[want] != 1 {
			t.Errorf("HTTP/%d: %v", protoMajor, got)
		}
	}
}

func TestShortOfTheDeclaredLength(t *testing.T) {
	t.Parallel()
	got := watched(t, 1, outcome.Rule{}, func(w http.ResponseWriter, _ *gate) {
		w.Header().Set("Content-Length", "6")
		io.WriteString(w, "hello")
	})
	if got["failed-truncated"] != 1 {
		t.Error(got)
	}
}

func TestBindingFollowsTheGateway(t *testing.T) {
	t.Parallel()
	one, two := newGate(t), newGate(t)
	h := &Handler{host: one}
	first := h.bind()
	if again := h.bind(); again != first {
		t.Error("looked up twice")
	}
	h.host = two
	if b := h.bind(); b.meter != two.meter {
		t.Error("still bound to the gateway before")
	}
}
