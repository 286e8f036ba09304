package caddymodule

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard"
	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter"
)

// These tests run Caddy itself, with its real reverse proxy, one configuration
// at a time: Caddy's state is the process's, so they are not parallel.

func init() {
	caddy.RegisterModule(&gatedHandler{})
	caddy.RegisterModule(panicker{})
	httpcaddyfile.RegisterHandlerDirective("panic_after", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		h.NextArg()
		return panicker{h.Val()}, nil
	})
}

// gatedHandler is the handler with the test's gateway in the app's place.
type gatedHandler struct{ Handler }

var testGate *gate

func (*gatedHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.gated_meter", New: func() caddy.Module { return new(gatedHandler) }}
}
func (h *gatedHandler) Provision(caddy.Context) error { return h.provision(testGate) }

// panicker writes a body of its own and panics.
type panicker struct {
	Body string `json:"body"`
}

func (panicker) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.panicker", New: func() caddy.Module { return new(panicker) }}
}

func (p panicker) ServeHTTP(w http.ResponseWriter, _ *http.Request, _ caddyhttp.Handler) error {
	if p.Body != "" {
		io.WriteString(w, p.Body)
	}
	panic(http.ErrAbortHandler)
}

var operationNumbers = map[string]uint16{"plain/call": 1, "recognition/tag": 2, "search/add": 3, "limited/call": 4, "grpc/call": 5,
	"shop/add": 6, "shop/delete": 7, "shop/search": 8}

// Accounts of the tests, and their keys.
const (
	alice = 1 // pays per use
	bob   = 2 // has nothing to pay with
	carol = 3 // in arrears
	dora  = 4 // has the search instances "a" and "b"
)

// gate is a gateway with a real meter and neither ledger nor price book.
type gate struct {
	meter  *meter.Meter
	set    *imageSet
	closed bool // as before App.Start
}

func (g *gate) Meter() *meter.Meter { return g.meter }
func (g *gate) OperationNumber(name string) (uint16, bool) {
	n, ok := operationNumbers[name]
	return n, ok
}
func (g *gate) RefusalID(v meter.Verdict, op uint16) string {
	return fmt.Sprintf("R-%d-%d", op, v.Reason)
}
func (g *gate) checkOperations(names []string) error {
	for _, n := range names {
		if operationNumbers[n] == 0 {
			return fmt.Errorf("operation %s is not priced", n)
		}
	}
	return nil
}
func (g *gate) inForce() bool { return true }
func (g *gate) gateway() gateway {
	if g.closed {
		return nil
	}
	return g
}

func newGate(t testing.TB) *gate {
	m := meter.Open(meter.Config{Clock: meter.NewWallClock(nil), Dir: t.TempDir(), Node: "gw1",
		Period: func(unix int64) (int64, int64, uint32) { return unix - unix%3600, 3600, 202601 }})
	var ops []meter.Operation
	for name, n := range operationNumbers {
		op := meter.Operation{Number: n, Name: name}
		if name == "limited/call" {
			op.QPS = 2
		}
		if kind, ok := strings.CutPrefix(name, "shop/"); ok {
			op.Subscribed, op.Class = true, map[string]meter.Class{"add": meter.ClassAdd, "delete": meter.ClassDelete, "search": meter.ClassSearch}[kind]
		}
		ops = append(ops, op)
	}
	m.SetCatalogs([]*meter.Catalog{meter.NewCatalog(0, ops)})
	m.Load(meter.View{Number: alice, PayPerUse: true})
	m.Load(meter.View{Number: bob})
	m.Load(meter.View{Number: carol, PayPerUse: true, InArrears: true})
	set := new(imageSet)
	m.SetImages(set)
	m.Load(doras)
	m.AddKey(meter.Secret, sha256.Sum256([]byte("dora-a")), dora, "a")
	for number, name := range map[uint32]string{dora: "dora", alice: "alice", bob: "bob", carol: "carol"} {
		m.AddKey(meter.Secret, sha256.Sum256([]byte(name)), number, "")
		m.AddKey(meter.AccessKeyID, sha256.Sum256([]byte("AK"+name)), number, "")
		m.AddKey(meter.Identity, sha256.Sum256([]byte("id-"+name)), number, "")
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return &gate{meter: m, set: set}
}

// counts sums what the meter counted of an account, by outcome.
func (g *gate) counts(number uint32) map[string]int {
	sums := make(map[string]int)
	for line, calls := range g.meter.Open(number, 0) {
		name := line.Kind.String()
		if line.Observed {
			name = "observed " + name
		}
		sums[name] += int(calls)
	}
	return sums
}

// expect checks that the meter has counted exactly this. Successes must be there
// when the client has the response; what ends after it is waited for.
func (g *gate) expect(t *testing.T, number uint32, want map[string]int) {
	t.Helper()
	if got := g.counts(number); got[account.PayPerUse.String()] > want[account.PayPerUse.String()] {
		t.Fatalf("counted %v, want %v", got, want)
	}
	eventually(t, func() string {
		if got := g.counts(number); fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Sprintf("counted %v, want %v", got, want)
		}
		return ""
	})
}

func eventually(t *testing.T, complaint func() string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		c := complaint()
		if c == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(c)
		}
	}
}

// site is a running Caddy.
type site struct {
	*gate
	url string
}

// standardMeter is the meter of most tests.
const standardMeter = `meter {
	key header X-Api-Key
	operation plain/call       GET  /plain/*
	operation plain/call       POST /plain/*
	operation recognition/tag  POST /v2/{project_id}/image/tagging
	operation recognition/tag  GET  /files/*
	operation search/add       POST /v2/image/add
	operation limited/call     GET  /limited
	operation grpc/call        POST /grpc
	unmetered                  GET  /healthz
	success recognition/* {
		member error_code absent
		prefix 1KiB
	}
	success search/* {
		member Success not false
		member Code    absent or 0
	}
	success grpc/* {
		trailer grpc-status 0
	}
}`

// serve runs a site with this meter, and this after it.
func serve(t *testing.T, meterBlock, rest string) *site {
	t.Helper()
	g := newGate(t)
	testGate = g
	address := freeAddress(t)
	load(t, address, meterBlock, rest)
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &site{g, "http://" + address}
}

func load(t *testing.T, address, meterBlock, rest string) {
	t.Helper()
	config, err := adapt(fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	grace_period 5s
	log {
		output discard
	}
	servers {
		protocols h1 h2c
	}
}
http://:%s {
	bind 127.0.0.1
	%s
	%s
}`, address[strings.LastIndexByte(address, ':')+1:], meterBlock, rest))
	if err != nil {
		t.Fatal(err)
	}
	config = bytes.ReplaceAll(config, []byte(`"handler":"meter"`), []byte(`"handler":"gated_meter"`))
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
}

func adapt(caddyfile string) ([]byte, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return config, err
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serveTo runs the standard site in front of an upstream.
func serveTo(t *testing.T, upstream http.HandlerFunc) *site {
	t.Helper()
	return serve(t, standardMeter, "reverse_proxy "+newUpstream(t, upstream))
}

func newUpstream(t *testing.T, h http.HandlerFunc) (address string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// request makes a request with alice's key, or with the headers given.
func (s *site) request(t *testing.T, method, path string, body io.Reader, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, s.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", "alice")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	return r
}

// do sends a request and reads all of the response.
func (s *site) do(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	res, err := client.Do(s.request(t, method, path, strings.NewReader(body), headers...))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(got)
}

// raw sends text on a connection of its own.
func (s *site) raw(t *testing.T, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}
