package caddymodule

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Over h2c a client could go on to call anything, past the meter: the upstream
// is not told of the wish, neither by what is metered nor by what is not.
func TestOnlyWebSocketsAreTunnelled(t *testing.T) {
	s := serveTo(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Connection"), r.Header.Get("Upgrade"))
	})
	for wish, want := range map[string]string{
		"h2c": "", "h2c, websocket": "", "websocket, h2c": "", "websocket\r\nUpgrade: h2c": "", "TLS/1.0": "",
		"websocket": "Upgradewebsocket", "WebSocket": "Upgradewebsocket",
	} {
		for _, line := range []string{"POST /plain/x", "GET /healthz"} {
			c := s.raw(t, line+" HTTP/1.1\r\nHost: x\r\nX-Api-Key: alice\r\nContent-Length: 0\r\n"+
				"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nUpgrade: "+wish+"\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, _ := io.ReadAll(res.Body); string(body) != want {
				t.Errorf("%s, %q: the upstream sees %q, want %q", line, wish, body, want)
			}
		}
	}
}

// A refused client that waits for leave to send its body is told so at once.
func TestRefusalDoesNotWaitForTheBody(t *testing.T) {
	s := serveTo(t, func(http.ResponseWriter, *http.Request) { t.Error("the call was forwarded") })
	c := s.raw(t, "POST /plain/x HTTP/1.1\r\nHost: x\r\nX-Api-Key: bob\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusPaymentRequired || !res.Close {
		t.Fatal(err, res)
	}
	if body, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(body), "payment-required") {
		t.Error(err, string(body))
	}
}
