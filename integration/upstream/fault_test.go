package upstream_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/clients"
	"github.com/tallygate/tallygate/integration/pictures"
	"github.com/tallygate/tallygate/integration/upstream"
)

var red = pictures.PNG(pictures.Solid(64, 48, pictures.Red))

// What the vendors' SDKs make of each fault; kind is the truth log's.
func TestFaultsSeenBySDKs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault  string
		ok     bool
		status int
		code   string
		search string // the code the search SDK shows, where it differs
		kind   string
	}{
		{fault: "chunked", ok: true, status: 200},
		{fault: "delay=10ms", ok: true, status: 200},
		{fault: "slow-body=10ms", ok: true, status: 200},
		{fault: "pad=70000", ok: true, status: 200},
		{fault: "null-error", ok: true, status: 200},
		{fault: "early-hints", ok: true, status: 200},
		{fault: "canned", ok: true, status: 200},
		{fault: "canned, delay=1ms, chunked", ok: true, status: 200},
		{fault: "error-in-200", status: 200, search: "10000", kind: "error-in-200"},
		{fault: "status=503", status: 503, code: "ServiceBusy", kind: "status=503"},
		{fault: "no-such-fault", status: 400, code: "SampleFault", kind: "SampleFault"},
		{fault: "truncate", kind: "truncate"},
		{fault: "truncate-chunked", kind: "truncate-chunked"},
		{fault: "hangup", kind: "hangup"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			s := start(t, upstream.Config{})
			_, tagged := s.recognition(t, fault(c.fault)).Tag(red, clients.TagOptions{})
			added := s.search(t, fault(c.fault)).Add("shop", "p", "n", red)
			if c.search == "" {
				c.search = c.code
			}
			for _, got := range []struct {
				clients.Outcome
				code string
			}{{tagged, c.code}, {added, c.search}} {
				if got.OK != c.ok || got.Status != c.status || got.Code != got.code {
					t.Errorf("%v, want ok=%v (%d) %s", got.Outcome, c.ok, c.status, got.code)
				}
			}
			tally := s.tally(t)
			for _, operation := range []string{"recognition/image-tagging", "search/add"} {
				if c.ok && tally.Success[operation] != 1 || !c.ok && tally.Failed[operation][c.kind] != 1 {
					t.Errorf("truth of %s: %+v", operation, tally)
				}
			}
		})
	}
}

// Compression that was not asked for is a success of the upstream; one SDK
// reads it, the other cannot.
func TestGzipSeenBySDKs(t *testing.T) {
	t.Parallel()
	s := start(t, upstream.Config{})
	if tags, o := s.recognition(t, fault("gzip")).Tag(red, clients.TagOptions{}); !o.OK || len(tags) == 0 {
		t.Errorf("recognition: %v %v", o, tags)
	}
	if o := s.search(t, fault("gzip")).Add("shop", "p", "n", red); o.OK || o.Status != 200 || o.Err == nil {
		t.Errorf("search: %v", o)
	}
	if n := s.tally(t).Successes(); n != 2 {
		t.Errorf("truth: %d successes, want 2", n)
	}
}

func TestFaultsOnTheWire(t *testing.T) {
	t.Parallel()
	s := start(t, upstream.Config{})
	url := s.URL() + "/v2/p/image/tagging"

	response, body, err := post(t, url, "canned,truncate", "{}")
	if !errors.Is(err, io.ErrUnexpectedEOF) || response.ContentLength <= int64(len(body)) || body == "" {
		t.Errorf("truncate: %v, %d of %d bytes", err, len(body), response.ContentLength)
	}
	response, body, err = post(t, url, "canned,truncate-chunked", "{}")
	if !errors.Is(err, io.ErrUnexpectedEOF) || response.ContentLength != -1 || body == "" {
		t.Errorf("truncate-chunked: %v, length %d, %q", err, response.ContentLength, body)
	}
	response, body, err = post(t, url, "canned,gzip", "{}")
	if err != nil || response.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("gzip: %v, %v", err, response.Header)
	}
	unzip, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(unzip); err != nil || !strings.HasPrefix(string(plain), `{"result"`) {
		t.Errorf("gzip: %v, %q", err, plain)
	}
	response, body, _ = post(t, url, "canned,sse", "{}")
	if response.Header.Get("Content-Type") != "text/event-stream" || !strings.HasPrefix(body, "event: result\ndata: {") {
		t.Errorf("sse: %v %q", response.Header, body)
	}
	response, body, _ = post(t, url+"?sample_fault=not-json", "", `{"image":"`+encoded(red)+`"}`)
	if response.StatusCode != 200 || !strings.HasPrefix(body, "<html>") {
		t.Errorf("not-json by query: %d %q", response.StatusCode, body)
	}
	want := map[string]int{"truncate": 1, "truncate-chunked": 1, "not-json": 1}
	tally := s.tally(t)
	for kind, n := range want {
		if tally.Failed["recognition/image-tagging"][kind] != n {
			t.Errorf("truth: %+v, want %d %s", tally, n, kind)
		}
	}
	if tally.Successes() != 2 {
		t.Errorf("truth: %d successes, want 2", tally.Successes())
	}
}

// leave sends a whole request and goes away as soon as it is on its way.
func leave(t *testing.T, url, words string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { cancel() }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Sample-Fault", words)
	if _, err := new(http.Transport).RoundTrip(request); !errors.Is(err, context.Canceled) {
		t.Errorf("%s: %v", words, err)
	}
}

// A client that leaves before the header never counts as a success.
func TestClientGone(t *testing.T) {
	t.Parallel()
	s := start(t, upstream.Config{})
	for words, kind := range map[string]string{"hang": "hang", "delay=1h": "client-gone"} {
		leave(t, s.URL()+"/v2/p/image/tagging", words)
		waitFor(t, func() bool { return s.tally(t).Failed["recognition/image-tagging"][kind] == 1 })
	}
	if n := s.tally(t).Successes(); n != 0 {
		t.Errorf("%d successes logged", n)
	}
}

func TestHangSeenBySDKs(t *testing.T) {
	t.Parallel()
	s := start(t, upstream.Config{})
	config := clients.Config{Endpoint: s.URL(), Headers: fault("hang"), Timeout: 50 * time.Millisecond}
	recognition, err := clients.NewRecognition(config)
	if err != nil {
		t.Fatal(err)
	}
	search, err := clients.NewSearch(config)
	if err != nil {
		t.Fatal(err)
	}
	_, tagged := recognition.Tag(red, clients.TagOptions{})
	for _, o := range []clients.Outcome{tagged, search.Delete("shop", "p", "n")} {
		if o.OK || o.Err == nil || o.Status != 0 {
			t.Errorf("hang: %v", o)
		}
	}
}

func TestCloseEndsHungCalls(t *testing.T) {
	t.Parallel()
	s := start(t, upstream.Config{})
	ended := make(chan error)
	go func() {
		_, _, err := post(t, s.URL()+"/v2/p/image/tagging", "hang", "{}")
		ended <- err
	}()
	s.Close()
	if err := <-ended; err == nil {
		t.Error("a hung call got an answer when the server closed")
	}
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the condition was not met within 20 seconds")
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	strict, lenient := start(t, upstream.Config{}), start(t, upstream.Config{LenientPaths: true})
	for path, want := range map[string][2]int{
		"/v2/p/image/tagging":     {200, 200},
		"//v2/p/image/tagging":    {404, 200},
		"/v2/p/Image/tagging":     {404, 200},
		"/v2/p/image/tagging/":    {404, 200},
		"/v2/p/image/./tagging":   {404, 200},
		"/v2/p/image/no-such":     {404, 404},
		"/v2/p/q/image/tagging":   {404, 404},
		"/v3/p/image/tagging":     {404, 404},
		"/v2//image/tagging":      {404, 404},
		"/v2/image/add":           {200, 200},
		"/v2/p/image/tagging?x=1": {200, 200},
	} {
		for i, s := range []service{strict, lenient} {
			response, _, err := post(t, s.URL()+path, "canned", "{}")
			if err != nil || response.StatusCode != want[i] {
				t.Errorf("%s: %v %v, want %d", path, err, response.StatusCode, want[i])
			}
		}
	}
	response, err := http.Get(strict.URL() + "/v2/p/image/tagging")
	if err != nil || response.StatusCode != http.StatusNotFound {
		t.Errorf("GET: %v %v", err, response)
	}
	response.Body.Close()
	if failed := strict.tally(t).Failed["unknown"]["APIGW.0101"]; failed != 9 {
		t.Errorf("the truth log has %d unknown calls, want 9", failed)
	}
	if response, err = http.Get(strict.URL() + "/healthz"); err != nil || response.StatusCode != 200 {
		t.Errorf("healthz: %v %v", err, response)
	}
	response.Body.Close()
}

func TestStartRefusesRemote(t *testing.T) {
	t.Parallel()
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "example.com:0"} {
		if s, err := upstream.Start(upstream.Config{Listen: address}); err == nil {
			s.Close()
			t.Errorf("%s was accepted", address)
		}
	}
}
