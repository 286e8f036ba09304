package caddymodule

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
)

// One test for each way in which a call can end (D1, D2, D3).

var (
	counted = map[string]int{"payg": 1}
	nothing = map[string]int{}
)

func not(reason string) map[string]int { return map[string]int{reason: 1} }

func TestCompleteIsCounted(t *testing.T) {
	s := serveTo(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
	res, body := s.do(t, "GET", "/plain/x", "")
	if res.StatusCode != 200 || body != "hello" {
		t.Fatal(res.Status, body)
	}
	s.expect(t, alice, counted)
}

func TestHeadIsCounted(t *testing.T) {
	s := serveTo(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "5") })
	s.do(t, "HEAD", "/plain/x", "")
	s.expect(t, alice, counted)
}

// The method is the client's, too, whatever an earlier handler makes of it: it
// tells the operation, and that there is no body to judge.
func TestMethodIsAsSent(t *testing.T) {
	s := serve(t, standardMeter, "method PUT\nreverse_proxy "+newUpstream(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "no JSON") }))
	s.do(t, "HEAD", "/files/x", "")
	s.expect(t, alice, counted)
}

func TestBodilessStatusIsCounted(t *testing.T) {
	s := serveTo(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) })
	s.do(t, "POST", "/v2/p/image/tagging", "") // and no member is asked for
	s.expect(t, alice, counted)
}

func TestEarlyHintsAreNotTheStatus(t *testing.T) {
	s := serveTo(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(103)
		if r.URL.Path == "/plain/bad" {
			w.WriteHeader(500)
		}
		io.WriteString(w, "hello")
	})
	for path, want := range map[string]int{"/plain/good": 200, "/plain/bad": 500} {
		hints := 0
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, _ textproto.MIMEHeader) error { hints++; return nil }})
		res, err := http.DefaultTransport.RoundTrip(s.request(t, "GET", path, nil).WithContext(ctx))
		if err != nil || res.StatusCode != want || hints != 1 {
			t.Fatal(err, res, hints)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	s.expect(t, alice, map[string]int{"payg": 1, "failed-status": 1})
}

func TestTruncatedByUpstream(t *testing.T) {
	for name, head := range map[string]string{"length": "Content-Length: 100\r\n\r\n", "chunked": "Transfer-Encoding: chunked\r\n\r\n64\r\n"} {
		t.Run(name, func(t *testing.T) {
			s := serveTo(t, hijacked(func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\n"+head+"not all of it") }))
			res, err := http.DefaultTransport.RoundTrip(s.request(t, "GET", "/plain/x", nil))
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			if err == nil {
				t.Error("the client saw a complete response")
			}
			s.expect(t, alice, not("failed-truncated"))
		})
	}
}

// hijacked lets an upstream write what it likes, and then hangs up.
func hijacked(f func(c net.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		f(c)
	}
}

func TestClientLeavesMidBody(t *testing.T) {
	s := serveTo(t, func(w http.ResponseWriter, r *http.Request) {
		for { // until the gateway hangs up
			if _, err := w.Write(make([]byte, 1<<16)); err != nil || r.Context().Err() != nil {
				return
			}
		}
	})
	c := s.raw(t, "GET /plain/x HTTP/1.1\r\nHost: x\r\nX-Api-Key: alice\r\n\r\n")
	if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	s.expect(t, alice, counted)
}

func TestClientLeavesAllButTheLastByte(t *testing.T) {
	body := `{"error_code":null,"tags":["a","b"]}`
	for _, chunked := range []bool{false, true} {
		t.Run(fmt.Sprint("chunked ", chunked), func(t *testing.T) {
			up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if !chunked {
					w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				}
				io.WriteString(w, body[:len(body)-1])
				w.(http.Flusher).Flush()
				<-r.Context().Done() // the gateway hangs up when the client has
			})
			s := serve(t, standardMeter, "reverse_proxy "+up+" {\nflush_interval -1\n}")
			c := s.raw(t, "POST /v2/p/image/tagging HTTP/1.1\r\nHost: x\r\nX-Api-Key: alice\r\nContent-Length: 0\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(res.Body, make([]byte, len(body)-1)); err != nil {
				t.Fatal(err)
			}
			c.Close()
			s.expect(t, alice, counted)
		})
	}
}

func TestClientLeavesAfterAFailureWasSeen(t *testing.T) {
	s := serveTo(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"error_code":"AIS.0104","error_msg":"`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	c := s.raw(t, "POST /v2/p/image/tagging HTTP/1.1\r\nHost: x\r\nX-Api-Key: alice\r\nContent-Length: 0\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(res.Body, make([]byte, 20))
	c.Close()
	s.expect(t, alice, not("failed-body"))
}

func TestClientLeavesBeforeTheResponse(t *testing.T) {
	arrived := make(chan struct{})
	s := serveTo(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	c := s.raw(t, "GET /plain/x HTTP/1.1\r\nHost: x\r\nX-Api-Key: alice\r\n\r\n")
	<-arrived
	c.Close()
	s.expect(t, alice, not("failed-upstream"))
}

func TestUpstreamDown(t *testing.T) {
	s := serve(t, standardMeter, "reverse_proxy "+freeAddress(t)+"\nhandle_errors {\nrespond \"sorry\" 200\n}")
	res, body := s.do(t, "GET", "/plain/x", "")
	if res.StatusCode != 200 || body != "sorry" {
		t.Fatal(res.Status, body)
	}
	s.expect(t, alice, not("failed-upstream"))
}

func TestUploadAborted(t *testing.T) {
	started := make(chan struct{})
	s := serveTo(t, func(w http.ResponseWriter, r *http.Request) {
		close(started)
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			t.Error("the upload came through")
		}
	})
	c := s.raw(t, "POST /plain/x HTTP/1.1\r\nHost: x\r\nX-Api-Key: alice\r\nContent-Length: 1000\r\n\r\nsome")
	<-started
	c.Close()
	s.expect(t, alice, not("failed-upstream"))
}

// A body whose end is the connection's end cannot be seen to be cut short.
func TestCloseDelimitedBody(t *testing.T) {
	s := serveTo(t, hijacked(func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhal") }))
	if _, body := s.do(t, "GET", "/plain/x", ""); body != "hal" {
		t.Fatal(body)
	}
	s.expect(t, alice, counted)
}

func TestRetriesAreOneCall(t *testing.T) {
	alive := newUpstream(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
	s := serve(t, standardMeter, fmt.Sprintf(`reverse_proxy %s %s {
		lb_policy first
		lb_try_duration 5s
		lb_try_interval 1ms
		fail_duration 10s
	}`, freeAddress(t), alive))
	s.do(t, "GET", "/plain/x", "")
	s.expect(t, alice, counted)
}

func TestNobodyAnswered(t *testing.T) {
	s := serve(t, standardMeter, "")
	s.do(t, "GET", "/plain/x", "")
	s.expect(t, alice, not("failed-upstream"))
}

func TestStatusSaysFailure(t *testing.T) {
	s := serveTo(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) })
	s.do(t, "GET", "/plain/x", "")
	s.expect(t, alice, not("failed-status"))
}

func TestPanicInALaterHandler(t *testing.T) {
	for body, want := range map[string]string{"": "failed-upstream", "half": "failed-truncated"} {
		s := serve(t, standardMeter, fmt.Sprintf("route {\npanic_after %q\n}", body))
		if _, err := http.DefaultTransport.RoundTrip(s.request(t, "GET", "/plain/x", nil)); err == nil && body == "" {
			t.Error("a response came from a handler that panicked")
		}
		s.expect(t, alice, not(want))
	}
}

func TestUpgradeIsNoCall(t *testing.T) {
	s := serveTo(t, hijacked(func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(c, c)
	}))
	c := s.raw(t, "GET /plain/ws HTTP/1.1\r\nHost: x\r\nX-Api-Key: alice\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != 101 {
		t.Fatal(err, res)
	}
	io.WriteString(c, "ping")
	echo := make([]byte, 4)
	if _, err := io.ReadFull(in, echo); err != nil || string(echo) != "ping" {
		t.Fatal(err, string(echo))
	}
	s.expect(t, alice, not("failed-upgrade")) // while it is still open
}

func TestEventsAreStreamedPromptly(t *testing.T) {
	next := make(chan struct{})
	s := serveTo(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			<-next
		}
	})
	res, err := http.DefaultTransport.RoundTrip(s.request(t, "GET", "/plain/events", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	in := bufio.NewReader(res.Body)
	for i := range 3 {
		line, err := in.ReadString('\n') // arrives before the next one is sent
		if err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatal(err, line)
		}
		in.ReadString('\n')
		next <- struct{}{}
	}
	io.Copy(io.Discard, in)
	s.expect(t, alice, counted)
}

func TestTwiceInARouteCountsOnce(t *testing.T) {
	up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("X-Api-Key")) })
	s := serve(t, "route {\n"+standardMeter+"\n"+standardMeter, "reverse_proxy "+up+"\n}")
	if res, body := s.do(t, "GET", "/plain/x", ""); res.StatusCode != 200 || body != "" {
		t.Fatal(res.Status, body)
	}
	s.expect(t, alice, counted)
}

func TestFilesKeepTheKernelsCopy(t *testing.T) {
	dir := t.TempDir()
	content := strings.Repeat("0123456789", 100_000)
	writeFile(t, dir+"/plain/big.txt", content)
	s := serve(t, standardMeter, "root * "+dir+"\nfile_server")
	if _, body := s.do(t, "GET", "/plain/big.txt", ""); body != content {
		t.Error("the file came out different")
	}
	s.expect(t, alice, counted)
	if res, body := s.do(t, "GET", "/plain/big.txt", "", "Range", "bytes=5-14"); res.StatusCode != 206 || body != "5678901234" {
		t.Error(res.Status, body)
	}
	s.expect(t, alice, map[string]int{"payg": 2})
}

func TestReloadWhileACallRuns(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-finish
		io.WriteString(w, "hello")
	})
	s := serve(t, standardMeter, "reverse_proxy "+up)
	result := make(chan error, 1)
	go func() {
		res, err := http.DefaultTransport.RoundTrip(s.request(t, "GET", "/plain/x", nil))
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		result <- err
	}()
	<-arrived
	load(t, strings.TrimPrefix(s.url, "http://"), standardMeter, "respond 503")
	close(finish)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	s.expect(t, alice, counted)
}

// A client never has a complete response that is not counted yet (D2).
func TestCountedBeforeTheLastByte(t *testing.T) {
	s := serveTo(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Query().Has("chunked") {
			w.(http.Flusher).Flush()
		}
		io.WriteString(w, `{"ok":1}`)
	})
	for n := 1; n <= 200; n++ {
		s.do(t, "POST", "/v2/p/image/tagging"+[]string{"", "?chunked"}[n%2], "")
		if got := s.counts(alice)["payg"]; got != n {
			t.Fatalf("%d responses, %d counted", n, got)
		}
	}
}
