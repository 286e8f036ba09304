package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func echo(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	w.Header().Set("RateLimit", "the upstream's")
	w.Header().Set("RateLimit-Policy", "the upstream's")
	io.WriteString(w, "served")
}

func TestRefusals(t *testing.T) {
	s := serveTo(t, echo)
	for _, c := range []struct {
		name, method, path, key string
		status                  int
		reason                  string
		account                 uint32
	}{
		{"no key", "GET", "/plain/x", "", 401, "unauthenticated", 0},
		{"unknown key", "GET", "/plain/x", "mallory", 401, "unauthenticated", 0},
		{"no key, no operation", "GET", "/nothing", "", 401, "unauthenticated", 0},
		{"no money", "GET", "/plain/x", "bob", 402, "payment-required", bob},
		{"in arrears", "GET", "/plain/x", "carol", 402, "arrears", carol},
		{"no operation", "GET", "/nothing", "alice", 404, "unknown-operation", alice},
		{"other method", "PUT", "/plain/x", "alice", 404, "unknown-operation", alice},
		{"other case", "GET", "/Plain/x", "alice", 404, "unknown-operation", alice},
		{"encoded slash", "GET", "/plain%2fx", "alice", 404, "unknown-operation", alice},
		{"dot segments", "GET", "/healthz/../plain/x", "alice", 404, "unknown-operation", alice},
		{"double slash", "GET", "//plain/x", "alice", 404, "unknown-operation", alice},
		{"disguised as unmetered", "GET", "/plain/..%2fhealthz", "alice", 404, "unknown-operation", alice},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.counts(c.account)[c.reason]
			res, body := s.do(t, c.method, c.path, "", "X-Api-Key", c.key)
			var p struct {
				Type, Title, Detail string
				Status              int
				ID                  string `json:"refusal_id"`
			}
			if err := json.Unmarshal([]byte(body), &p); err != nil {
				t.Fatal(err, body)
			}
			if res.StatusCode != c.status || p.Status != c.status || p.Type != problemType+c.reason {
				t.Error(res.Status, body)
			}
			if p.Title == "" || p.Detail == "" || !strings.HasPrefix(p.ID, "R-") {
				t.Error(body)
			}
			if res.Header.Get("Content-Type") != "application/problem+json" || res.Header.Get("Cache-Control") != "no-store" {
				t.Error(res.Header)
			}
			if (res.Header.Get("WWW-Authenticate") != "") != (c.status == 401) {
				t.Error(res.Header)
			}
			if got := s.counts(c.account)[c.reason] - before; got != 1 {
				t.Errorf("tallied %d times", got)
			}
		})
	}
}

func TestUnknownAndMissingKeysLookTheSame(t *testing.T) {
	s := serveTo(t, echo)
	missing, one := s.do(t, "GET", "/plain/x", "", "X-Api-Key", "")
	unknown, two := s.do(t, "GET", "/plain/x", "", "X-Api-Key", "mallory")
	missing.Header.Del("Date")
	unknown.Header.Del("Date")
	if one != two || fmt.Sprint(missing.Header) != fmt.Sprint(unknown.Header) {
		t.Errorf("%v %s\n%v %s", missing.Header, one, unknown.Header, two)
	}
}

func TestUnmeteredNeedsNoKey(t *testing.T) {
	s := serveTo(t, echo)
	if res, body := s.do(t, "GET", "/healthz", "", "X-Api-Key", ""); res.StatusCode != 200 || body != "served" {
		t.Error(res.Status, body)
	}
	s.expect(t, 0, nothing)
}

func TestRate(t *testing.T) {
	s := serveTo(t, echo)
	for n, want := range []string{`"calls";r=1;t=1`, `"calls";r=0;t=1`, `"calls";r=0;t=1`} {
		res, _ := s.do(t, "GET", "/limited", "")
		if got := res.Header.Values("RateLimit"); len(got) != 1 || got[0] != want {
			t.Errorf("call %d: %q", n, got)
		}
		if got := res.Header.Values("RateLimit-Policy"); len(got) != 1 || got[0] != `"calls";q=2;w=1` {
			t.Errorf("call %d: %q", n, got)
		}
		if refused := n == 2; refused != (res.StatusCode == 429) || refused != (res.Header.Get("Retry-After") == "1") {
			t.Errorf("call %d: %s %v", n, res.Status, res.Header)
		}
	}
	res, _ := s.do(t, "GET", "/plain/x", "")
	if res.Header.Get("RateLimit") != "the upstream's" {
		t.Error("the fields of an operation without a rate are the upstream's")
	}
}

func TestRetryAfter(t *testing.T) {
	for wait, want := range map[int64]string{0: "1", 1: "1", 1e9: "1", 1e9 + 1: "2", 60e9: "60"} {
		if got := retryAfter(wait); got != want {
			t.Errorf("%d: %s", wait, got)
		}
	}
}

func TestRateValues(t *testing.T) {
	limits := []uint32{1, 2, keptRemaining, keptRemaining + 1, 1 + keptPolicies, 5000, math.MaxUint32}
	for range 2 { // made, and kept, or in the place of another
		for _, limit := range limits {
			for _, left := range []uint32{0, limit - 1} {
				h := make(http.Header)
				setRate(h, limit, left)
				if h.Get("RateLimit") != fmt.Sprintf(`"calls";r=%d;t=1`, left) || h.Get("RateLimit-Policy") != fmt.Sprintf(`"calls";q=%d;w=1`, limit) {
					t.Error(limit, h)
				}
			}
		}
	}
}

// TestFieldsAreOfOneResponse: Caddy's directive `header` edits the values of a
// response's fields in place.
func TestFieldsAreOfOneResponse(t *testing.T) {
	answer := func() http.Header {
		w := httptest.NewRecorder()
		h := &Handler{keys: []keySource{{fromBearer, "Authorization"}}}
		w.Header()["Www-Authenticate"] = []string{h.challenge()}
		setRate(w.Header(), 7, 3)
		(&refusal{reason: reason{status: http.StatusTooManyRequests}}).write(w, "")
		return w.Header()
	}
	want := answer().Clone()
	edited := answer()
	for name, values := range edited {
		values[0] = "edited"
		edited[name] = append(values, "added")
	}
	for name, values := range edited {
		if !slices.Equal(values, []string{"edited", "added"}) {
			t.Errorf("%s is %q", name, values)
		}
	}
	if got := answer(); !reflect.DeepEqual(got, want) {
		t.Errorf("the next response has %v, want %v", got, want)
	}
}

func TestRefusalStyle(t *testing.T) {
	styled := strings.TrimSuffix(standardMeter, "}") + `
	refusal recognition/* {
		members error_code error_msg
		status  arrears 403
	}
	refusal * {
		members Code Message
	}
}`
	s := serve(t, styled, "reverse_proxy "+newUpstream(t, echo))
	for path, want := range map[string]string{
		"/v2/p/image/tagging": `403 "error_code":"arrears","error_msg":"The account's`,
		"/v2/image/add":       `402 "Code":"arrears","Message":"The account's`,
	} {
		res, body := s.do(t, "POST", path, "", "X-Api-Key", "carol")
		status, text, _ := strings.Cut(want, " ")
		if fmt.Sprint(res.StatusCode) != status || !strings.Contains(body, text) || !json.Valid([]byte(body)) {
			t.Errorf("%s: %s %s", path, res.Status, body)
		}
	}
}

func TestHandleErrors(t *testing.T) {
	with := strings.TrimSuffix(standardMeter, "}") + "handle_errors\n}"
	s := serve(t, with, `reverse_proxy `+newUpstream(t, echo)+`
	handle_errors {
		respond "{err.status_code} {tallygate.reason} {tallygate.refusal_id} {tallygate.title}"
	}`)
	res, body := s.do(t, "GET", "/plain/x", "", "X-Api-Key", "carol")
	if res.StatusCode != 402 || body != "402 arrears R-1-34 Account in arrears" {
		t.Error(res.Status, body)
	}
	for range 3 {
		res, _ = s.do(t, "GET", "/limited", "")
	}
	if res.StatusCode != 429 || res.Header.Get("Retry-After") != "1" {
		t.Error(res.Status, res.Header)
	}
}

func TestBeforeTheGatewayIsOpen(t *testing.T) {
	s := serveTo(t, echo)
	s.closed = true
	res, body := s.do(t, "GET", "/plain/x", "")
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !json.Valid([]byte(body)) {
		t.Error(res.Status, body)
	}
}

func TestObserveRefusesNothing(t *testing.T) {
	observe := strings.Replace(standardMeter, "meter {", "meter {\nmode observe", 1)
	s := serve(t, observe, "reverse_proxy "+newUpstream(t, echo))
	for _, c := range []struct {
		path, key string
		account   uint32
		want      map[string]int
	}{
		{"/plain/x", "carol", carol, map[string]int{"observed arrears": 1}},
		{"/plain/x", "mallory", 0, map[string]int{"observed unauthenticated": 1}},
		{"/nothing", "alice", alice, map[string]int{"observed unknown-operation": 1}},
		{"/plain//x", "alice", alice, map[string]int{"observed unknown-operation": 2}},
		{"/plain/x", "alice", alice, map[string]int{"observed unknown-operation": 2, "payg": 1}},
	} {
		if res, body := s.do(t, "GET", c.path, "", "X-Api-Key", c.key); res.StatusCode != 200 || body != "served" {
			t.Errorf("%s %s: %s", c.key, c.path, res.Status)
		}
		s.expect(t, c.account, c.want)
	}
	s.closed = true
	if res, _ := s.do(t, "GET", "/plain/x", ""); res.StatusCode != 200 {
		t.Error(res.Status)
	}
}
