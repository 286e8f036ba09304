package names

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
)

var wanted = []string{"InstanceName", "ProductId", "PicName"}

const (
	formType      = "application/x-www-form-urlencoded"
	multipartType = `multipart/form-data; boundary=XX`
	jsonType      = "application/json"
)

// read feeds a body in chunks of a size and returns what it says: a value per
// field, or the error.
func read(t testing.TB, contentType string, body []byte, chunk int) string {
	t.Helper()
	kind := Form
	if contentType == jsonType {
		kind = JSON
	}
	p, err := New(contentType, kind, wanted)
	if err != nil {
		t.Fatal(err)
	}
	return feed(p, body, chunk)
}

func feed(p Parser, body []byte, chunk int) string {
	for len(body) > 0 {
		n := min(chunk, len(body))
		if err := p.Feed(body[:n]); err != nil {
			return err.Error()
		}
		body = body[n:]
	}
	if err := p.End(); err != nil {
		return err.Error()
	}
	var said []string
	for i := range wanted {
		value, known := p.Value(i)
		if !known {
			value = "unknown after the end"
		}
		said = append(said, value)
	}
	return fmt.Sprintf("%q", said)
}

// parts is a form in parts, each "name=content" or a whole header, an empty line
// and the content.
func parts(list ...string) string {
	var b strings.Builder
	for _, p := range list {
		if name, content, ok := strings.Cut(p, "="); ok && !strings.Contains(name, ":") {
			p = fmt.Sprintf("Content-Disposition: form-data; name=%q\r\n\r\n%s", name, content)
		}
		b.WriteString("--XX\r\n" + p + "\r\n")
	}
	return b.String() + "--XX--\r\n"
}

const disposition = "Content-Disposition: form-data; name="

var twice, tooLong, unreadable = ErrTwice.Error(), ErrTooLong.Error(), ErrUnreadable.Error()

var bodies = []struct{ contentType, body, want string }{
	{formType, "InstanceName=shop&ProductId=p&PicName=a.jpg", `["shop" "p" "a.jpg"]`},
	{formType, "PicContent=AA%2B%2F==&PicName=a&&x&=y&ProductId=", `["" "" "a"]`},
	{formType, "", `["" "" ""]`},
	{formType, "%49nstance%4eame=caf%c3%A9+%26%3d", `["café &=" "" ""]`},
	{formType, "InstanceName", `["" "" ""]`},
	{formType, "InstanceName=a=b", `["a=b" "" ""]`},
	{formType, "x=%zz&InstanceName=a", `["a" "" ""]`}, // nobody looks for x
	{formType, "InstanceName=%zz", unreadable},
	{formType, "InstanceName=%4", unreadable},
	{formType, "InstanceName=%4&x=1", unreadable},
	{formType, "%4=1", unreadable},
	{formType, "InstanceName=a;InstanceName=b", unreadable},
	{formType, "x=1;InstanceName=b", unreadable},
	{formType, "InstanceName=a&InstanceName=a", twice},
	{formType, "InstanceName=a&instancename=b", twice},
	{formType, "instancename=b", twice},
	{formType, "+InstanceName=b", twice},
	{formType, "InstanceName%00x=b", twice},
	{formType, "InstanceName&InstanceName=b", twice},
	{formType, "Instance-Name=x&XInstanceName=y&InstanceNames=z", `["" "" ""]`},
	{formType, "InstanceName[]=b", twice},         // PHP, Rack, Node: a list
	{formType, "InstanceName%5B0%5D[x=b", twice},  //
	{formType, "[InstanceName]=b", twice},         // Rack, Node
	{formType, "!InstanceName=b", twice},          // Spring
	{formType, "\ufeffInstanceName=b", twice},     // Node
	{formType, "%EF%BB%BFInstanceName=b", twice},  //
	{formType, "\u0130nstanceName=b", twice},      // Java
	{formType, "In\u017ftanceName=b", twice},      //
	{formType, "InstanceNames[]=b", `["" "" ""]`}, // is another
	{formType, "PicName=" + strings.Repeat("%61", MaxValue), `["" "" "` + strings.Repeat("a", MaxValue) + `"]`},
	{formType, "PicName=" + strings.Repeat("a", MaxValue+1), tooLong},
	{formType, strings.Repeat("a", MaxValue+1), tooLong},

	{jsonType, `{"InstanceName":"shop","n":[1,-2.5e+3,{"InstanceName":"other"},[]],"ProductId":"p\u00e9\ud83d\ude00\n\/","PicName":null}`,
		`["shop" "pé😀\n/" ""]`},
	{jsonType, " {\t\"x\" : true , \"y\":{} ,\"Instance\\u004eame\":\"\"\r\n} ", `["" "" ""]`},
	{jsonType, `{"InstanceName":"a","InstanceName":"a"}`, twice},
	{jsonType, `{"InstanceName":"a","instanceNAME":1}`, twice},
	{jsonType, `{"instance\u004EAME":"a"}`, twice},
	{jsonType, `{"InstanceName":1}`, unreadable},
	{jsonType, `{"InstanceName":["a"]}`, unreadable},
	{jsonType, `{"InstanceName":"\ud83d"}`, unreadable},
	{jsonType, `{"InstanceName":"\ud83dx"}`, unreadable},
	{jsonType, `{"InstanceName":"\ud83d\u0041"}`, unreadable},
	{jsonType, "{\"InstanceName\":\"\xff\"}", unreadable},
	{jsonType, "{\"x\":\"\xff\"}", `["" "" ""]`},
	{jsonType, `{"x":"` + "\n" + `"}`, unreadable},
	{jsonType, `{"InstanceName":"a"`, unreadable},
	{jsonType, `{"InstanceName":"a"}}`, unreadable},
	{jsonType, `{"InstanceName":"a"}{"InstanceName":"b"}`, unreadable},
	{jsonType, `["InstanceName"]`, unreadable},
	{jsonType, `"InstanceName"`, unreadable},
	{jsonType, ``, unreadable},
	{jsonType, `{"a":01}`, unreadable},
	{jsonType, `{"a":1.}`, unreadable},
	{jsonType, `{"a":tru}`, unreadable},
	{jsonType, `{"a":1,}`, unreadable},
	{jsonType, `{"a":[1,]}`, unreadable},
	{jsonType, `{a:1}`, unreadable},
	{jsonType, `{"a":"\x"}`, unreadable},
	{jsonType, `{"a":"\u12g4"}`, unreadable},
	{jsonType, `{"a":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`, unreadable},
	{jsonType, `{"PicName":"` + strings.Repeat("a", MaxValue+1) + `"}`, tooLong},
	{jsonType, `{"` + strings.Repeat("a", MaxValue+1) + `":1}`, tooLong},

	{multipartType, parts("InstanceName=shop", "PicName=a\n\r\r\n-\r\n--X", "ProductId="), `["shop" "" "a\n\r\r\n-\r\n--X"]`},
	{multipartType, parts(disposition + `"PicContent"; filename="a.jpg"` + "\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\r\n\r\n--XXY"), unreadable},
	{multipartType, parts(disposition+`"PicContent"; filename="a.jpg"`+"\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\r\n\r\n--", "InstanceName=b"), `["b" "" ""]`},
	{multipartType, parts("InstanceName=a", "InstanceName=a"), twice},
	{multipartType, parts("x=y\n--XX\n" + disposition + "InstanceName\n\na"), unreadable}, // PHP, Werkzeug
	{multipartType, parts("x=y\r--XX\r" + disposition + "InstanceName\r\ra"), unreadable}, // Werkzeug
	{multipartType, parts("x=y\n\r--XX"), unreadable},
	{multipartType, parts("x=y--XX\r--X\n-\r\r\n-", "InstanceName=b"), `["b" "" ""]`},
	{multipartType, parts(disposition + `'InstanceName'` + "\r\n\r\na"), twice},                              // PHP
	{multipartType, parts(disposition + `"=?utf-8?q?InstanceName?="` + "\r\n\r\na"), unreadable},             // Tomcat
	{multipartType, parts(disposition + `"x"; y="; name=InstanceName"` + "\r\n\r\na"), unreadable},           // Formidable
	{multipartType, parts(disposition + `"x"; filename="a; Name =InstanceName"` + "\r\n\r\na"), unreadable},  //
	{multipartType, parts(disposition + `"x"; filename="my filename=name.jpg"` + "\r\n\r\na"), `["" "" ""]`}, // is no name
	{multipartType, parts(disposition + `InstanceName; filename*=x` + "\r\n\r\na"), unreadable},              // a file or not
	{multipartType, parts("InstanceName=a", "instancename=b"), twice},
	{multipartType, parts(disposition + "InstanceName\r\ncontent-type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\na"), `["a" "" ""]`},
	{multipartType, parts(disposition + "InstanceName\r\nContent-Type: text/plain; charset=utf-16\r\n\r\na"), unreadable},
	{multipartType, parts(disposition + "InstanceName\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ=="), unreadable},
	{multipartType, parts(disposition + `InstanceName; filename="a"` + "\r\n\r\na"), unreadable},
	{multipartType, parts(disposition + `"a"; name="InstanceName"` + "\r\n\r\na"), unreadable},
	{multipartType, parts(disposition + `"a\"; name=InstanceName; x=""` + "\r\n\r\na"), unreadable},
	{multipartType, parts("Content-Disposition: form-data; name*=utf-8''InstanceName\r\n\r\na"), unreadable},
	{multipartType, parts("Content-Disposition: form-data;\r\n name=InstanceName\r\n\r\na"), unreadable},
	{multipartType, parts(disposition + "a\r\n" + disposition + "InstanceName\r\n\r\na"), unreadable},
	{multipartType, parts("Content-Disposition : form-data; name=InstanceName\r\n\r\na"), unreadable},
	{multipartType, parts("Content-Disposition: attachment; name=InstanceName\r\n\r\na"), unreadable},
	{multipartType, parts(disposition + `"Instance\Name"` + "\r\n\r\na"), twice},
	{multipartType, "x\r\n" + parts("InstanceName=a"), unreadable},
	{multipartType, parts("InstanceName=a") + parts("InstanceName=b"), unreadable},
	{multipartType, strings.ReplaceAll(parts("InstanceName=a"), "\r\n", "\n"), unreadable},
	{multipartType, "--XX\r\n" + disposition + "InstanceName\r\n\r\n--XX--\r\n", unreadable},
	{multipartType, "--XX\r\n" + disposition + "InstanceName\r\n\r\na", unreadable},
	{multipartType, "--XXY\r\n" + disposition + "InstanceName\r\n\r\na\r\n--XXY--", unreadable},
	{multipartType, "--XX \r\n" + disposition + "InstanceName\r\n\r\na\r\n--XX--", unreadable},
	{multipartType, "", unreadable},
	{multipartType, parts("PicName=" + strings.Repeat("a", MaxValue+1)), tooLong},
	{multipartType, parts("x: " + strings.Repeat("a", maxHeader) + "\r\n\r\n"), unreadable},
}

// Wherever the body is cut, it says the same.
func TestBodies(t *testing.T) {
	t.Parallel()
	for _, c := range bodies {
		if got := read(t, c.contentType, []byte(c.body), 1<<20); got != c.want {
			t.Errorf("%s\n%.300q\ngot  %.300s\nwant %.300s", c.contentType, c.body, got, c.want)
			continue
		}
		for chunk := 1; chunk < min(len(c.body), 100); chunk++ {
			if got := read(t, c.contentType, []byte(c.body), chunk); got != c.want {
				t.Errorf("%s\n%.300q\nin chunks of %d: %.300s", c.contentType, c.body, chunk, got)
				break
			}
		}
	}
}

// A value is known when it has ended, and not before.
func TestValuesAreKnownEarly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ contentType, before, last string }{
		{formType, "InstanceName=shop", "&"},
		{jsonType, `{"InstanceName":"shop`, `"`},
		{multipartType, "--XX\r\n" + disposition + "InstanceName\r\n\r\nshop\r\n--X", "X"},
	} {
		kind := Form
		if c.contentType == jsonType {
			kind = JSON
		}
		p, err := New(c.contentType, kind, wanted)
		if err != nil {
			t.Fatal(err)
		}
		p.Feed([]byte(c.before))
		if v, known := p.Value(0); known {
			t.Errorf("%q: known to be %q", c.before, v)
		}
		p.Feed([]byte(c.last))
		if v, known := p.Value(0); !known || v != "shop" {
			t.Errorf("%q: %q, %t", c.before+c.last, v, known)
		}
		if _, known := p.Value(1); known {
			t.Error("a field that may still come is known")
		}
	}
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		contentType string
		kind        Kind
		ok          bool
	}{
		{"application/x-www-form-urlencoded", Form, true},
		{"Application/X-WWW-Form-Urlencoded; charset=UTF-8", Form, true},
		{"application/x-www-form-urlencoded; charset=utf-16", Form, false},
		{"application/json", Form, false},
		{"multipart/form-data; boundary=a", Form, true},
		{"multipart/form-data; boundary=\"a b\"", Form, true},
		{"multipart/form-data", Form, false},
		{"multipart/form-data; boundary=" + strings.Repeat("a", 71), Form, false},
		{"multipart/mixed; boundary=a", Form, false},
		{"multipart/form-data; charset=utf-8; boundary=a", Form, true},
		{"multipart/form-data; xboundary=b; boundary=a", Form, false}, // PHP takes the first
		{"multipart/form-data; boundary*=utf-8''b", Form, false},
		{"multipart/form-data; boundary*0=a; boundary*1=b", Form, false},
		{"application/x-www-form-urlencoded; x=\"charset=utf-7\"", Form, false},
		{"", Form, false},
		{"text/plain", Form, false},
		{"application/json; charset=utf-8", JSON, true},
		{"application/problem+json", JSON, true},
		{"application/x-www-form-urlencoded", JSON, false},
		{"application/json; charset=utf-16", JSON, false},
		{"application/json, text/plain", JSON, false},
	} {
		_, err := New(c.contentType, c.kind, wanted)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrUnreadable) {
			t.Errorf("%q: %v", c.contentType, err)
		}
	}
}

// A parser that has failed stays failed, and says nothing.
func TestErrorsAreFinal(t *testing.T) {
	t.Parallel()
	p, _ := New(formType, Form, wanted)
	p.Feed([]byte("InstanceName=a&InstanceName=b"))
	p.End()
	if err := p.Feed([]byte("&x=y")); !errors.Is(err, ErrTwice) {
		t.Error(err)
	}
	if _, known := p.Value(1); known {
		t.Error("a field of an ambiguous body is known")
	}
}

// A field that stands outside of the body must not stand in it as well.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ contentType, body, want string }{
		{formType, "ProductId=p&x=1", `["" "p" ""]`},
		{formType, "ProductId=p&InstanceName=b", twice},
		{formType, "instancename=b", twice},
		{jsonType, `{"InstanceName":"b"}`, twice},
		{multipartType, parts("InstanceName=b"), twice},
	} {
		kind := Form
		if c.contentType == jsonType {
			kind = JSON
		}
		p, err := New(c.contentType, kind, wanted)
		if err != nil {
			t.Fatal(err)
		}
		p.Elsewhere(0)
		if got := feed(p, []byte(c.body), 1<<20); got != c.want {
			t.Errorf("%q: %s, want %s", c.body, got, c.want)
		}
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	if got := fmt.Sprintf("%x", Hash("")); got != "e3b0c44298fc1c149afbf4c8996fb924" {
		t.Error(got)
	}
}

// picture is a body of some megabytes as the vendor's client sends it.
func picture() []byte {
	content := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xff, 0xd8, 0, 'x'}, 1<<19))
	return []byte("InstanceName=shop&PicContent=" + strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(content) + "&PicName=a&ProductId=p")
}

// Nothing is kept of what nobody looks for.
func TestLargeBodiesAreNotKept(t *testing.T) {
	for contentType, body := range map[string][]byte{
		formType:      picture(),
		jsonType:      []byte(`{"InstanceName":"shop","PicContent":"` + strings.Repeat("A", 4<<20) + `","PicName":"a","ProductId":"p"}`),
		multipartType: []byte(parts("InstanceName=shop", "PicContent="+strings.Repeat("\r\n-", 1<<20), "PicName=a", "ProductId=p")),
	} {
		var got string
		r := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				got = read(b, contentType, body, 32<<10)
			}
		})
		if got != `["shop" "p" "a"]` {
			t.Errorf("%s: %s", contentType, got)
		}
		if n := r.AllocedBytesPerOp(); n > int64(len(body))/4 && contentType != multipartType || n > 8<<20 {
			t.Errorf("%s: %d bytes allocated for a body of %d", contentType, n, len(body))
		}
	}
}

func BenchmarkForm(b *testing.B) {
	body := picture()
	b.SetBytes(int64(len(body)))
	for range b.N {
		read(b, formType, body, 32<<10)
	}
}

func BenchmarkJSON(b *testing.B) {
	body := []byte(`{"InstanceName":"shop","PicContent":"` + strings.Repeat("A", 2<<20) + `"}`)
	b.SetBytes(int64(len(body)))
	for range b.N {
		read(b, jsonType, body, 32<<10)
	}
}
