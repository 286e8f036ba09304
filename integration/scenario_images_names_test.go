package integration

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/integration/upstream"
)

// boundKey lets an access key stand for one instance of an account.
func (s *scene) boundKey(account, id, instance string) {
	s.t.Helper()
	s.do("POST", "/accounts/"+account+"/keys", map[string]any{"kind": "access-key-id", "value": id, "instance": instance}, nil)
}

// twoShelves are instances a and b of one account, and one of another account.
// AKone is bound to a, AKacme to none.
func twoShelves(t *testing.T, replace ...string) (a, b, other *shelf) {
	t.Helper()
	clock, at := testClock(seven)
	s := newScene(t, "", append([]string{clock, at}, replace...)...)
	a = s.shelf("acme", "a", 3)
	other = s.shelf("other", "c", 3)
	s.subscribe("acme", "b", "room-3")
	s.boundKey("acme", "AKone", "a")
	second := *a
	second.instance, second.has = "b", map[upstream.Picture]bool{}
	return a, &second, other
}

// TestImagesInTheirOwnInstance: an instance is never served on another's plan,
// whether the key is bound to one or the account has two (D38).
func TestImagesInTheirOwnInstance(t *testing.T) {
	t.Parallel()
	a, b, other := twoShelves(t)
	agree := func(when string) {
		t.Helper()
		for _, s := range []*shelf{a, b, other} {
			s.agree(s.instance + ": " + when)
		}
	}
	one := programOf(t, a.URL(), "AKone")
	one.ok(toAdd, one.search.Add("a", "chair", "front", onePicture))
	a.program.seen[toAdd]++
	a.has[upstream.Picture{Product: "chair", Name: "front"}] = true
	agree("the key's own")
	for _, foreign := range []string{"b", "c", "nobody's", "A", "a "} {
		one.refused("bound to a, names "+foreign, one.search.Add(foreign, "chair", "front", onePicture), 403, "wrong-instance")
		one.refused("bound to a, names "+foreign, one.search.Delete(foreign, "chair", ""), 403, "wrong-instance")
		_, o := one.search.Search(foreign, onePicture, 1)
		one.refused("bound to a, names "+foreign, o, 403, "wrong-instance")
	}
	agree("nothing happened to the others")

	b.fill("table", 3)
	b.full("b is full")
	a.add("table", "front") // a is not
	a.remove("chair", "")
	other.add("chair", "front")
	agree("each has its own count")
	for _, foreign := range []string{"c", "", "ab"} {
		a.program.refused("two instances, names "+foreign, a.program.search.Add(foreign, "chair", "front", onePicture), 403, "wrong-instance")
	}
	agree("in the end")
	other.reconcile()
	counted, seen := a.usage("acme").counted(), a.program.seen // of both instances
	truth, err := upstream.ReadTally(a.truth, func(e upstream.Entry) bool { return e.Instance == "a" || e.Instance == "b" })
	if err != nil {
		t.Fatal(err)
	}
	for _, operation := range []string{toAdd, toDelete} {
		if counted[operation] != seen[operation] || truth.Success[operation] != int(seen[operation]) {
			t.Errorf("%s: the clients saw %d, %d are counted, the upstream did %d", operation, seen[operation], counted[operation], truth.Success[operation])
		}
	}
}

var inBase64 = base64.StdEncoding.EncodeToString(onePicture)

// form is a body in the order of its names and values.
func form(pairs ...string) string {
	var body strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		body.WriteString("&" + url.QueryEscape(pairs[i]) + "=" + url.QueryEscape(pairs[i+1]))
	}
	return body.String()[1:]
}

// TestImagesNamedTwice: what two servers could read in two ways reaches none, or
// none of them whole, and is not counted (D38).
func TestImagesNamedTwice(t *testing.T) {
	t.Parallel()
	a, b, _ := twoShelves(t)
	long := strings.Repeat("A", 300<<10)
	add := func(path, body, contentType string) answer {
		return a.call(call{Key: a.key, Path: path, Body: body, Header: map[string]string{"Content-Type": contentType}})
	}
	image := []string{"PicContent", inBase64, "PicName", "front", "ProductId", "chair"}
	whole := form(append([]string{"InstanceName", "a"}, image...)...)
	for what, c := range map[string]struct{ path, body, contentType string }{
		"twice, first of all":    {"", form("InstanceName", "a", "InstanceName", "b") + "&" + form(image...), formType},
		"twice, behind the rest": {"", whole + "&InstanceName=b", formType},
		"in another case":        {"", whole + "&instancename=b", formType},
		"escaped":                {"", whole + "&%49nstanceName=b", formType},
		"with a space":           {"", whole + "&InstanceName+=b", formType},
		"after a semicolon":      {"", whole + ";InstanceName=b", formType},
		"in the query as well":   {"?InstanceName=b", whole, formType},
		"behind a long picture":  {"", whole + "&Other=" + long + "&InstanceName=b", formType},
		"product twice":          {"", whole + "&ProductId=table", formType},
		"picture twice, late":    {"", whole + "&Other=" + long + "&PicName=side", formType},
		"first seen too late":    {"", "Other=" + long + "&" + whole, formType},
		"as parts it is not":     {"", whole, "multipart/form-data; boundary=x"},
		"as JSON":                {"", `{"InstanceName":"a"}`, "application/json"},
		"of no type":             {"", whole, "text/plain"},
	} {
		if got := add("/v2/image/add"+c.path, c.body, c.contentType); got.Status < 400 || got.Status == 500 || got.Status == 403 && got.reason() != "wrong-instance" {
			t.Errorf("%s: status %d %s", what, got.Status, got.Body)
		}
		a.agree(what)
		b.agree(what)
	}
	if got := add("/v2/image/add", whole, formType); got.Status != 200 {
		t.Fatalf("once only: %d %s", got.Status, got.Body)
	}
	a.program.seen[toAdd]++
	a.has[upstream.Picture{Product: "chair", Name: "front"}] = true
	a.agree("once only")
	a.reconcile()
}

// parts is the body of a form in parts, and its type.
func parts(pairs ...string) (body, contentType string) {
	var text bytes.Buffer
	w := multipart.NewWriter(&text)
	for i := 0; i < len(pairs); i += 2 {
		w.WriteField(pairs[i], pairs[i+1]) // to memory
	}
	w.Close()
	return text.String(), w.FormDataContentType()
}

func object(pairs ...string) (body, contentType string) {
	members := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		members[pairs[i]] = pairs[i+1]
	}
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(text), "application/json"
}

// TestImagesInPartsAndObjects: the same rules where requests are forms in parts,
// or JSON.
func TestImagesInPartsAndObjects(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		encode  func(...string) (body, contentType string)
		replace []string
	}{
		"parts": {parts, nil},
		"objects": {object, []string{"instance search/* form InstanceName", "instance search/* json InstanceName",
			"product form ProductId", "product json ProductId", "picture form PicName", "picture json PicName"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b, _ := twoShelves(t, c.replace...)
			send := func(path, instance, product, picture string) answer {
				pairs := []string{"InstanceName", instance, "PicContent", inBase64, "ProductId", product, "PicName", picture}
				body, contentType := c.encode(pairs...)
				return a.call(call{Key: a.key, Path: path, Body: body, Header: map[string]string{"Content-Type": contentType}})
			}
			expect := func(s *shelf, path, product, picture, reason string) {
				t.Helper()
				got := send(path, s.instance, product, picture)
				if got.reason() != reason || reason == "" && got.Status != 200 {
					t.Fatalf("%s %s/%s: %d %s", path, product, picture, got.Status, got.Body)
				}
				a.agreeAfter(path, s, upstream.Picture{Product: product, Name: picture}, got.Status == 200)
				b.agree("b")
			}
			for range 2 { // the second time they overwrite
				expect(a, "/v2/image/add", "chair", "front", "")
				expect(a, "/v2/image/add", "chair", "ü \" \\ side", "")
				expect(b, "/v2/image/add", "chair", "front", "")
			}
			expect(a, "/v2/image/add", "table", "front", "")
			expect(a, "/v2/image/add", "table", "side", "image-capacity")
			expect(a, "/v2/image/add", "chair", "ü \" \\ side", "") // overwrites at the cap
			expect(a, "/v2/image/delete", "chair", "ü \" \\ side", "")
			expect(a, "/v2/image/add", "table", "side", "")
			if got := send("/v2/image/add", "c", "chair", "front"); got.Status != 403 || got.reason() != "wrong-instance" {
				t.Errorf("another's instance: %d %s", got.Status, got.Body)
			}
			if got := a.images(); got.Images != 3 {
				t.Errorf("a holds %+v", got)
			}
		})
	}
}

// agreeAfter notes what a call did, if it succeeded, and agrees.
func (s *shelf) agreeAfter(path string, of *shelf, p upstream.Picture, succeeded bool) {
	s.t.Helper()
	switch {
	case succeeded && path == "/v2/image/add":
		of.has[p] = true
	case succeeded:
		delete(of.has, p)
	}
	of.agree(path)
	s.agree("a")
}
