package caddymodule

import (
	"crypto/sha256"
	"io"
	"net/http"
	"strings"
	"testing"
)

const everyKey = `meter {
	key header X-Api-Key
	key bearer
	key query api_key
	key placeholder {http.request.header.X-User}
	trust_upstream_signature
	operation plain/call GET /plain/*
}`

// upstreamSees answers with what arrived of the places where a key may stand.
func upstreamSees(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, strings.Join([]string{r.Header.Get("X-Api-Key"), r.Header.Get("Authorization"), r.RequestURI}, "|"))
}

func TestKeys(t *testing.T) {
	up := newUpstream(t, upstreamSees)
	s := serve(t, everyKey, "reverse_proxy "+up)
	for _, c := range []struct {
		name, path string
		headers    []string
		status     int
		seen       string
	}{
		{"header", "/plain/x", []string{"X-Api-Key", "alice"}, 200, "||/plain/x"},
		{"bearer", "/plain/x", []string{"Authorization", "bearer  alice "}, 200, "||/plain/x"},
		{"query", "/plain/x?a=1&api_key=alice&b=2", nil, 200, "||/plain/x?a=1&b=2"},
		{"query alone", "/plain/x?api_key=alice", nil, 200, "||/plain/x"},
		{"the second is known", "/plain/x?api_key=alice", []string{"X-Api-Key", "old"}, 200, "||/plain/x"},
		{"placeholder", "/plain/x", []string{"X-User", "id-alice"}, 200, "||/plain/x"},
		{"an identity is no secret", "/plain/x", []string{"X-Api-Key", "id-alice"}, 401, ""},
		{"a secret is no identity", "/plain/x", []string{"X-User", "alice"}, 401, ""},
		{"an access key id is no secret", "/plain/x", []string{"X-Api-Key", "AKalice"}, 401, ""},
		{"query twice", "/plain/x?api_key=alice&api_key=alice", nil, 401, ""},
		{"SDK-HMAC", "/plain/x", []string{"Authorization", "SDK-HMAC-SHA256 Access=AKalice, SignedHeaders=a;b, Signature=00"}, 200,
			"|SDK-HMAC-SHA256 Access=AKalice, SignedHeaders=a;b, Signature=00|/plain/x"},
		{"acs", "/plain/x", []string{"Authorization", "acs AKalice:sig="}, 200, "|acs AKalice:sig=|/plain/x"},
		{"a secret is no access key id", "/plain/x", []string{"Authorization", "acs alice:sig="}, 401, ""},
		{"basic", "/plain/x", []string{"Authorization", "Basic YWxpY2U6eA=="}, 401, ""},
		{"normal form", "/pl%61in/%7Ex", []string{"X-Api-Key", "alice"}, 200, "||/plain/~x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			headers := append([]string{"X-Api-Key", ""}, c.headers...)
			res, body := s.do(t, "GET", c.path, "", headers...)
			if res.StatusCode != c.status || c.seen != "" && body != c.seen {
				t.Errorf("%s %q, want %d %q", res.Status, body, c.status, c.seen)
			}
		})
	}
}

func TestKeyTwiceIsNoKey(t *testing.T) {
	s := serve(t, everyKey, "reverse_proxy "+newUpstream(t, upstreamSees))
	r := s.request(t, "GET", "/plain/x", nil)
	r.Header.Add("X-Api-Key", "alice")
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 401 {
		t.Error(res.Status)
	}
}

func TestForwardKey(t *testing.T) {
	s := serve(t, strings.Replace(everyKey, "key bearer", "key bearer\nforward_key", 1), "reverse_proxy "+newUpstream(t, upstreamSees))
	if _, body := s.do(t, "GET", "/plain/x?api_key=k", "", "Authorization", "Bearer b"); body != "alice|Bearer b|/plain/x?api_key=k" {
		t.Error(body)
	}
}

func TestSignaturesAreNotTrustedUnasked(t *testing.T) {
	s := serve(t, strings.Replace(everyKey, "trust_upstream_signature", "", 1), "reverse_proxy "+newUpstream(t, upstreamSees))
	if res, _ := s.do(t, "GET", "/plain/x", "", "X-Api-Key", "", "Authorization", "acs AKalice:sig="); res.StatusCode != 401 {
		t.Error(res.Status)
	}
}

// What is matched is what the client sent; what an earlier handler made of it
// is forwarded as it is.
func TestRewritesStay(t *testing.T) {
	s := serve(t, everyKey, "rewrite * /else/where\nreverse_proxy "+newUpstream(t, upstreamSees))
	if res, body := s.do(t, "GET", "/pl%61in/x", ""); res.StatusCode != 200 || body != "||/else/where" {
		t.Error(res.Status, body)
	}
}

func TestInstances(t *testing.T) {
	s := serve(t, strings.Replace(everyKey, "key bearer", "instance plain/* query InstanceName", 1), "reverse_proxy "+newUpstream(t, upstreamSees))
	if res, body := s.do(t, "GET", "/plain/x?InstanceName=a&InstanceName=b", ""); res.StatusCode != 403 || !strings.Contains(body, "wrong-instance") {
		t.Error(res.Status, body)
	}
	if res, _ := s.do(t, "GET", "/plain/x?InstanceName=a", ""); res.StatusCode != 200 {
		t.Error(res.Status)
	}
}

func TestHashDoesNotAllocate(t *testing.T) {
	key := strings.Repeat("k", 64)
	if n := testing.AllocsPerRun(100, func() { hash(key) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	long := strings.Repeat("k", 1000)
	if hash(long) != sha256.Sum256([]byte(long)) || hash(key) != sha256.Sum256([]byte(key)) {
		t.Error("not the SHA-256")
	}
}

// Keys are hidden from whatever may answer: upstreams of unmetered requests and
// those of error routes, for which Caddy restores the URL.
func TestKeysAreHiddenEverywhere(t *testing.T) {
	up := newUpstream(t, upstreamSees)
	unmetered := strings.Replace(everyKey, "operation", "handle_errors\nunmetered GET /free\noperation", 1)
	s := serve(t, unmetered, "handle /plain/* {\nreverse_proxy "+freeAddress(t)+"\n}\nreverse_proxy "+up+
		"\nhandle_errors {\nreverse_proxy "+up+"\n}")
	for name, path := range map[string]string{"unmetered": "/free", "upstream down": "/plain/x", "refused": "/nothing"} {
		t.Run(name, func(t *testing.T) {
			for _, headers := range [][]string{{"X-Api-Key", "alice"}, {"X-Api-Key", "", "Authorization", "Bearer alice"}} {
				if _, body := s.do(t, "GET", path+"?a=1&api_key=alice", "", headers...); body != "||"+path+"?a=1" {
					t.Errorf("the upstream sees %q", body)
				}
			}
		})
	}
}

// Which of two ids the upstream checks cannot be known.
func TestAccessKeyIDs(t *testing.T) {
	t.Parallel()
	for authorization, want := range map[string]string{
		"SDK-HMAC-SHA256 Access=A, SignedHeaders=x-access;b, Signature=00": "A",
		"SDK-HMAC-SHA256 Access=A, Access=B, Signature=00":                 "",
		"SDK-HMAC-SHA256 Access=A,access=B":                                "",
		"SDK-HMAC-SHA256 Access=A, SignedHeaders=b Access = B":             "",
		"SDK-HMAC-SHA256 Signature=00, Access=A":                           "",
		"acs A:sig=":                                                       "A",
		"acs A:B:sig":                                                      "",
		"acs":                                                              "",
	} {
		if got := accessKeyID(authorization); got != want {
			t.Errorf("%s: %q, want %q", authorization, got, want)
		}
	}
}
