package outcome

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/tallygate/tallygate/account"
	"pgregory.net/rapid"
)

// The rules of the two services (D1), and one that wants a member to be there.
var (
	recognition = compiled(Rule{Members: []Member{{Name: "error_code", Absent: true}}})
	search      = compiled(Rule{Members: []Member{
		{Name: "Success", Not: []any{false}},
		{Name: "Code", Absent: true, Is: []any{0.0}},
	}})
	wanting = compiled(Rule{Members: []Member{{Name: "state", Is: []any{"done", "queued"}}}})
)

func compiled(r Rule) *Rule {
	if err := r.Compile(); err != nil {
		panic(err)
	}
	return &r
}

const ok, notJSON, failed = account.Kind(0), account.FailedNotJSON, account.FailedBody

func TestWholeBody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule *Rule
		body string
		want account.Kind
	}{
		{recognition, `{"result":{"tags":[]}}`, ok},
		{recognition, `{"error_code":null}`, ok},
		{recognition, `{"error_code":"AIS.0104"}`, failed},
		{recognition, `{"error_code":""}`, failed},
		{recognition, `{"error_code":0}`, failed},
		{recognition, `{"error_code":{}}`, failed},
		{recognition, `{"result":{"error_code":"nested"}}`, ok},
		{recognition, `{"error\u005fcode":"AIS.0104"}`, failed},
		{recognition, `{"error_code":null,"error_code":"AIS.0104"}`, failed},
		{recognition, `{"error_code":"AIS.0104","error_code":null}`, failed},
		{recognition, "\xef\xbb\xbf {\"a\":1}\n", ok},
		{recognition, `[{"error_code":"in a list"}]`, ok},
		{recognition, ``, notJSON},
		{recognition, `<html>`, notJSON},
		{recognition, `{"a":1`, notJSON},
		{recognition, `{"a":1} x`, notJSON},
		{recognition, `{"error_code":"AIS.0104"`, notJSON},
		{search, `{"Success":true,"Code":0}`, ok},
		{search, `{"Success":true}`, ok},
		{search, `{"Success":null,"Code":null}`, ok},
		{search, `{"Code":0.0}`, ok},
		{search, `{"Success":false}`, failed},
		{search, `{"Success":false,"Code":0}`, failed},
		{search, `{"Success":true,"Code":"InvalidImage"}`, failed},
		{search, `{"Success":true,"Code":"0"}`, failed},
		{search, `{"Success":true,"Code":1}`, failed},
		{search, `{"Success":true,"Code":false}`, failed},
		{search, `{"success":false}`, ok}, // names are case-sensitive
		{wanting, `{"state":"done"}`, ok},
		{wanting, `{"state":"lost"}`, failed},
		{wanting, `{"state":null}`, failed},
		{wanting, `{}`, failed},
		{wanting, `7`, failed},
	} {
		if got, _ := c.rule.OfBody(Body{Seen: []byte(c.body), Whole: true}); got != c.want {
			t.Errorf("%s: %v, want %v", c.body, got, c.want)
		}
	}
}

func TestBeginningOfBody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule *Rule
		body string
		want account.Kind
	}{
		{recognition, ``, ok},
		{recognition, ` `, ok},
		{recognition, `{`, ok},
		{recognition, `{"result":"abc`, ok},
		{recognition, `{"error_code"`, ok},
		{recognition, `{"error_code":nu`, ok},
		{recognition, `{"error_code":"AI`, ok}, // cut inside the value: nothing said yet
		{recognition, `{"error_code":"AIS.0104","error_msg":"the im`, failed},
		{recognition, `{"a":{"b":[1,2,{"error_code":"x`, ok},
		{recognition, `<!doctype html>`, notJSON},
		{search, `{"Code":0,"Data":[{"x"`, ok},
		{search, `{"Success":false,"Message":"n`, failed},
		{wanting, `{"x":1,"y":`, ok},
	} {
		got, whole := c.rule.OfBody(Body{Seen: []byte(c.body)})
		if got != c.want || whole {
			t.Errorf("%s: %v %v, want %v", c.body, got, whole, c.want)
		}
	}
}

func TestPrefix(t *testing.T) {
	t.Parallel()
	r := compiled(Rule{Members: recognition.Members, Prefix: 100})
	for _, c := range []struct {
		name, body string
		want       account.Kind
		whole      bool
	}{
		{"fits", `{"a":"` + strings.Repeat("x", 92) + `"}`, ok, true},
		{"one too long", `{"a":"` + strings.Repeat("x", 93) + `"}`, ok, false},
		{"failure before the end", `{"error_code":1,"a":"` + strings.Repeat("x", 100) + `"}`, failed, false},
		{"failure after the end", `{"a":"` + strings.Repeat("x", 100) + `","error_code":1}`, ok, false},
	} {
		got, whole := r.OfBody(Body{Seen: []byte(c.body), Whole: true})
		if got != c.want || whole != c.whole {
			t.Errorf("%s: %v %v, want %v %v", c.name, got, whole, c.want, c.whole)
		}
	}
}

// encoders compress a text in each encoding that can be read.
var encoders = map[string]func(w io.Writer) io.WriteCloser{
	"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"X-Gzip ": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"Deflate": func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, 6); return f },
	"zstd":    func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
}

func encode(encoding, text string) []byte {
	var b bytes.Buffer
	w := encoders[encoding](&b)
	io.WriteString(w, text)
	w.Close()
	return b.Bytes()
}

func TestCompressedBody(t *testing.T) {
	t.Parallel()
	long := `{"error_code":"AIS.0104","pad":"` + strings.Repeat("x", 1<<20) + `"}`
	for encoding := range encoders {
		for _, c := range []struct {
			name string
			body Body
			want account.Kind
			any  bool // what was seen may or may not be enough to tell
		}{
			{"good", Body{Seen: encode(encoding, `{"a":1}`), Whole: true}, ok, false},
			{"bad", Body{Seen: encode(encoding, `{"error_code":1}`), Whole: true}, failed, false},
			{"not JSON", Body{Seen: encode(encoding, `hello`), Whole: true}, notJSON, false},
			{"longer than the prefix", Body{Seen: encode(encoding, long), Whole: true}, failed, false},
			{"empty", Body{Whole: true}, notJSON, false},
			{"nothing seen", Body{}, ok, false},
			{"cut", Body{Seen: cut(encode(encoding, `{"a":"bcdefghijklmnopq"}`))}, ok, false},
			{"cut, and yet whole", Body{Seen: cut(encode(encoding, `{"a":"bcdefghijklmnopq"}`)), Whole: true}, notJSON, false},
			{"plain text", Body{Seen: []byte(`{"a":1} and so on and so on`), Whole: true}, notJSON, false},
		} {
			c.body.Encoding = encoding
			if got, _ := recognition.OfBody(c.body); got != c.want {
				t.Errorf("%s, %s: %v, want %v", encoding, c.name, got, c.want)
			}
		}
	}
	if got, _ := recognition.OfBody(Body{Encoding: "br", Seen: []byte("x"), Whole: true}); got != notJSON {
		t.Errorf("an encoding that cannot be read: %v", got)
	}
}

func cut(b []byte) []byte { return b[:len(b)-5] }

// A body is judged alike in every encoding and in every order of use.
func TestEncodingsAgree(t *testing.T) {
	t.Parallel()
	text := rapid.SampledFrom([]string{
		`{}`, `{"error_code":1}`, `{"error_code":null,"x":[1,2]}`, `x`, ``, `{"a":"` + strings.Repeat("y", 70000) + `"}`,
		`{"error_code":3,"a":"` + strings.Repeat("y", 70000) + `"}`,
	})
	rapid.Check(t, func(t *rapid.T) {
		s := text.Draw(t, "text")
		want, whole := recognition.OfBody(Body{Seen: []byte(s), Whole: true})
		for encoding := range encoders {
			got, w := recognition.OfBody(Body{Encoding: encoding, Seen: encode(encoding, s), Whole: true})
			if got != want || w != whole {
				t.Fatalf("%s: %v %v, plain %v %v", encoding, got, w, want, whole)
			}
		}
	})
}

func TestStatus(t *testing.T) {
	t.Parallel()
	r := compiled(Rule{Status: []string{"2xx", "304"}})
	for status, want := range map[int]account.Kind{
		200: 0, 206: 0, 299: 0, 304: 0, 300: account.FailedStatus, 404: account.FailedStatus,
		599: account.FailedStatus, 999: account.FailedStatus, 0: account.FailedUpstream,
		499: account.FailedUpstream, 101: account.FailedUpgrade,
	} {
		if got := r.OfStatus(status); got != want {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
	}
}

func TestTrailers(t *testing.T) {
	t.Parallel()
	r := compiled(Rule{Trailers: map[string]string{"grpc-status": "0"}})
	for _, c := range []struct {
		h    http.Header
		want account.Kind
	}{
		{http.Header{"Grpc-Status": {"0"}}, 0},
		{http.Header{"Trailer:Grpc-Status": {"0"}}, 0},
		{http.Header{"Trailer:Grpc-Status": {"5"}, "Grpc-Status": {"0"}}, failed},
		{http.Header{"Grpc-Status": {"13"}}, failed},
		{http.Header{"Grpc-Status": {"0", "0"}}, failed},
		{http.Header{}, failed},
	} {
		if got := r.OfTrailers(c.h); got != c.want {
			t.Errorf("%v: %v, want %v", c.h, got, c.want)
		}
	}
}

func TestReadable(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"": "", "gzip": "gzip", "gzip, deflate, zstd": "gzip, deflate, zstd",
		"gzip, deflate, br, zstd":  "gzip, deflate, zstd",
		"br":                       "identity",
		"BR;q=1.0, GZip;q=0.5":     "GZip;q=0.5",
		"*":                        "gzip",
		"*;q=0.1, br":              "gzip;q=0.1",
		"gzip;q=0.2, *;q=0":        "gzip;q=0.2",
		"identity;q=1, br, x-gzip": "identity;q=1, x-gzip",
	} {
		if got := Readable(accept); got != want {
			t.Errorf("%q: %q, want %q", accept, got, want)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule, want string
	}{
		{`{"status":["101"]}`, "from 200 to 599"},
		{`{"status":["1xx"]}`, "from 200 to 599"},
		{`{"status":["ok"]}`, "from 200 to 599"},
		{`{"status":["6xx"]}`, "from 200 to 599"},
		{`{"members":[{"absent":true}]}`, "without a name"},
		{`{"members":[{"name":"a"}]}`, "say what it has to be"},
		{`{"members":[{"name":"a","absent":true,"not":[1]}]}`, "cannot be combined"},
		{`{"members":[{"name":"a","is":[[]]}]}`, "use a string"},
		{`{"prefix":-1}`, "prefix -1"},
		{`{"prefix":99999999}`, "prefix 99999999"},
	} {
		var r Rule
		if err := json.Unmarshal([]byte(c.rule), &r); err != nil {
			t.Fatal(err)
		}
		if err := r.Compile(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.rule, err, c.want)
		}
	}
}

// Whatever an upstream sends, judging it neither panics nor reads on for ever.
func FuzzOfBody(f *testing.F) {
	for encoding := range encoders {
		f.Add(encoding, encode(encoding, `{"error_code":"AIS.0104"}`), true)
	}
	f.Add("", []byte(`{"error_code":`), false)
	f.Fuzz(func(t *testing.T, encoding string, seen []byte, whole bool) {
		if _, w := search.OfBody(Body{encoding, seen, whole}); w && !whole && encoding == "" {
			t.Error("the end of the body was not there to be seen")
		}
	})
}
