package caddymodule

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sent is how an upstream sends a body.
var sent = map[string]func(w http.ResponseWriter, body []byte){
	"one write": func(w http.ResponseWriter, body []byte) { w.Write(body) },
	"length, byte by byte": func(w http.ResponseWriter, body []byte) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		for i := range body {
			w.Write(body[i : i+1])
			w.(http.Flusher).Flush()
		}
	},
	"length, two writes": func(w http.ResponseWriter, body []byte) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		n := min(len(body), 10)
		w.Write(body[:n])
		w.(http.Flusher).Flush()
		w.Write(body[n:])
	},
	"chunked": func(w http.ResponseWriter, body []byte) {
		w.(http.Flusher).Flush()
		for len(body) > 0 {
			n := min(len(body), 100)
			w.Write(body[:n])
			w.(http.Flusher).Flush()
			body = body[n:]
		}
	},
}

var encodings = map[string]func(body string) []byte{
	"": func(body string) []byte { return []byte(body) },
	"gzip": func(body string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, body)
		z.Close()
		return b.Bytes()
	},
	"zstd": func(body string) []byte {
		z, _ := zstd.NewWriter(nil)
		return z.EncodeAll([]byte(body), nil)
	},
}

func TestBodyRules(t *testing.T) {
	const tag, add = "/v2/p/image/tagging", "/v2/image/add"
	long := strings.Repeat("x", 5000)
	cases := []struct {
		path, body, want string
	}{
		{tag, `{"result":{"tags":[]}}`, "payg"},
		{tag, `{"error_code":null}`, "payg"},
		{tag, `{"error_code":"AIS.0104","error_msg":"bad image"}`, "failed-body"},
		{tag, `{"error_code":"AIS.0104","pad":"` + long + `"}`, "failed-body"},
		{tag, `{"pad":"` + long + `","error_code":"AIS.0104"}`, "payg"}, // behind the prefix
		{tag, `not JSON`, "failed-not-json"},
		{tag, `<html>` + long, "failed-not-json"},
		{tag, ``, "failed-not-json"},
		{add, `{"Success":true,"Code":0}`, "payg"},
		{add, `{"Success":true}`, "payg"},
		{add, `{"Success":false,"Code":0}`, "failed-body"},
		{add, `{"Success":true,"Code":"InvalidImage"}`, "failed-body"},
		{add, `{"Code":"0"}`, "failed-body"},
	}
	byNumber := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		var number int
		fmt.Sscan(r.Header.Get("X-Case"), &number)
		encoding := r.Header.Get("X-Encoding")
		if encoding != "" {
			w.Header().Set("Content-Encoding", encoding)
		}
		sent[r.Header.Get("X-Sent")](w, encodings[encoding](cases[number].body))
	}
	s := serveTo(t, byNumber)
	want := make(map[string]int)
	for how := range sent {
		for encoding, encode := range encodings {
			for i, c := range cases {
				_, body := s.do(t, "POST", c.path, "", "X-Case", fmt.Sprint(i), "X-Encoding", encoding, "X-Sent", how, "Accept-Encoding", "gzip, br, zstd")
				if body != string(encode(c.body)) {
					t.Errorf("%s %s %q: the body came out as %q", how, encoding, c.body, body)
				}
				want[c.want]++
				s.expect(t, alice, want)
			}
		}
	}
}

func TestFilesWithABodyRuleAreSeen(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/files/good.json", `{"result":1}`)
	writeFile(t, dir+"/files/bad.json", `{"error_code":"AIS.0104"}`)
	s := serve(t, standardMeter, "root * "+dir+"\nfile_server")
	s.do(t, "GET", "/files/good.json", "")
	s.do(t, "GET", "/files/bad.json", "")
	s.expect(t, alice, map[string]int{"payg": 1, "failed-body": 1})
}

func TestPresumedBodiesAreMeasured(t *testing.T) {
	s := serveTo(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"pad":"`+strings.Repeat("x", 5000)+`"}`)
	})
	before := presumed.Load()
	s.do(t, "POST", "/v2/p/image/tagging", "")
	s.expect(t, alice, counted)
	if n := presumed.Load() - before; n != 1 {
		t.Errorf("%d presumed", n)
	}
}

// The upstream is only asked for what can be read, and for all of it, where the
// body is judged.
func TestUpstreamIsAskedForReadableBodies(t *testing.T) {
	asked := make(chan http.Header, 1)
	s := serveTo(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header
		io.WriteString(w, "{}")
	})
	s.do(t, "POST", "/v2/p/image/tagging", "", "Accept-Encoding", "gzip, deflate, br, zstd", "Range", "bytes=0-1", "If-Range", `"x"`)
	if h := <-asked; h.Get("Accept-Encoding") != "gzip, deflate, zstd" || h.Get("Range") != "" || h.Get("If-Range") != "" {
		t.Error(h)
	}
	s.do(t, "GET", "/plain/x", "", "Accept-Encoding", "br", "Range", "bytes=0-1")
	if h := <-asked; h.Get("Accept-Encoding") != "br" || h.Get("Range") == "" {
		t.Error(h)
	}
}

// What encode compresses behind the meter is read, too.
func TestEncodeBehindTheMeter(t *testing.T) {
	up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"pad":"`+strings.Repeat("x", 600)+`","error_code":"AIS.0104"}`)
	})
	s := serve(t, standardMeter, "encode gzip\nreverse_proxy "+up)
	res, _ := s.do(t, "POST", "/v2/p/image/tagging", "", "Accept-Encoding", "gzip")
	if res.Header.Get("Content-Encoding") != "gzip" {
		t.Error("not compressed")
	}
	s.expect(t, alice, not("failed-body"))
}

func TestTrailers(t *testing.T) {
	upstream := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		status := r.Header.Get("X-Status")
		switch r.Header.Get("X-How") {
		case "announced":
			w.Header().Set("Trailer", "Grpc-Status")
			io.WriteString(w, "message")
			w.(http.Flusher).Flush()
			w.Header().Set("Grpc-Status", status)
		case "late":
			io.WriteString(w, "message")
			w.(http.Flusher).Flush()
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
		case "header only":
			w.Header().Set("Grpc-Status", status)
		case "none":
			io.WriteString(w, "message")
		}
	}
	for _, version := range []string{"1.1", "2"} {
		t.Run("HTTP "+version, func(t *testing.T) {
			s := serveTo(t, upstream)
			client := &http.Transport{Protocols: new(http.Protocols)}
			client.Protocols.SetHTTP1(version == "1.1")
			client.Protocols.SetUnencryptedHTTP2(version == "2")
			defer client.CloseIdleConnections()
			want := make(map[string]int)
			for _, c := range []struct{ how, status, want string }{
				{"announced", "0", "payg"}, {"announced", "13", "failed-body"},
				{"late", "0", "payg"}, {"late", "13", "failed-body"},
				{"header only", "0", "payg"}, {"header only", "13", "failed-body"},
				{"none", "", "failed-body"},
			} {
				res, err := client.RoundTrip(s.request(t, "POST", "/grpc", nil, "X-How", c.how, "X-Status", c.status))
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				want[c.want]++
				s.expect(t, alice, want)
			}
		})
	}
}
