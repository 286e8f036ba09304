package integration

import (
	"fmt"
	"image"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/integration/clients"
	"github.com/tallygate/tallygate/integration/pictures"
	"github.com/tallygate/tallygate/integration/upstream"
)

// program calls both services through the vendors' SDKs.
type program struct {
	t           *testing.T
	recognition *clients.Recognition
	search      *clients.Search
	seen        map[string]int64 // successes by operation
}

// programOf is a customer's program that was changed in nothing but the endpoint and
// the access key.
func programOf(t *testing.T, endpoint, accessKey string) *program {
	t.Helper()
	config := clients.Config{Endpoint: endpoint, AccessKey: accessKey, Project: accessKey}
	recognition, err := clients.NewRecognition(config)
	if err != nil {
		t.Fatal(err)
	}
	search, err := clients.NewSearch(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(recognition.Close)
	t.Cleanup(search.Close)
	return &program{t, recognition, search, map[string]int64{}}
}

func (c *program) ok(operation string, o clients.Outcome) {
	c.t.Helper()
	if !o.OK {
		c.t.Fatalf("%s: %v (%v)", operation, o, o.Err)
	}
	c.seen[operation]++
}

// refused says how the SDKs show a refusal: by status, code and a sentence.
func (c *program) refused(what string, o clients.Outcome, status int, code string) {
	c.t.Helper()
	if o.OK || o.Status != status || o.Code != code || !strings.Contains(o.Message, " ") {
		c.t.Errorf("%s: %v, want %d %s and a sentence", what, o, status, code)
	}
}

// accessKey lets an access key id stand for an account.
func (s *scene) accessKey(account, id string) {
	s.t.Helper()
	s.do("POST", "/accounts/"+account+"/keys", map[string]any{"kind": "access-key-id", "value": id}, nil)
}

// file writes a picture to disk and reads it back.
func file(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	read, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// TestRealClients takes the vendors' SDKs through both services behind the
// gateway: they get what they get without it, and are billed for just that.
func TestRealClients(t *testing.T) {
	t.Parallel()
	clock, at := testClock("2026-11-10T09:00:00+08:00")
	s := newScene(t, "", clock, at)
	s.do("POST", "/accounts", map[string]any{"account": "acme"}, nil)
	s.topUp("acme", "900.00")
	s.subscribe("acme", "products", "s2500k-5")
	s.accessKey("acme", "AKACME")
	c := programOf(t, s.URL(), "AKACME")
	c.recognize(programOf(t, s.up.URL(), "direct"))
	c.catalogue(s)

	used := s.usage("acme")
	if got := used.counted(); !maps.Equal(got, c.seen) {
		t.Errorf("the gateway counted %v, the SDKs saw %v", got, c.seen)
	}
	truth, err := upstream.ReadTally(s.truth, func(e upstream.Entry) bool { return e.Project == "AKACME" || e.Instance == "products" })
	if err != nil {
		t.Fatal(err)
	}
	for operation, n := range c.seen {
		if truth.Success[operation] != int(n) {
			t.Errorf("the upstream did %d of %s, the SDKs saw %d", truth.Success[operation], operation, n)
		}
	}
	if len(truth.Failed) > 0 {
		t.Errorf("the upstream refused %v", truth.Failed)
	}
	s.advance("2026-11-10T10:00:00+08:00")
	if st := s.statement("acme", "2026-11"); !maps.Equal(st.counted(), c.seen) || st.Closing != "100.00" {
		t.Errorf("the statement counts %v and closes with %s, want %v and 100.00", st.counted(), st.Closing, c.seen)
	}
}

// recognize compares what SDKs are told with and without the gateway.
func (c *program) recognize(direct *program) {
	c.t.Helper()
	red := file(c.t, "red.png", pictures.PNG(pictures.Solid(64, 48, pictures.Red)))
	photo := file(c.t, "photo.jpg", pictures.JPEG(pictures.Gradient(320, 200, pictures.Green, pictures.Blue)))
	object := file(c.t, "object.png", pictures.PNG(pictures.Object(200, 160, image.Rect(40, 30, 120, 110), pictures.Blue, pictures.White)))
	english := clients.TagOptions{Language: "en"}
	for name, picture := range map[string][]byte{"red": red, "photo": photo, "object": object} {
		tags, o := c.recognition.Tag(picture, english)
		c.ok(tagging, o)
		plain, o := direct.recognition.Tag(picture, english)
		direct.ok(tagging, o)
		if len(tags) == 0 || len(tags) != len(plain) || tags[0] != plain[0] {
			c.t.Errorf("%s: tags %v, without the gateway %v", name, tags, plain)
		}
		if name == "red" && !slices.ContainsFunc(tags, func(t clients.Tag) bool { return t.Name == "red" }) {
			c.t.Errorf("a red picture is tagged %v", tags)
		}
	}
	places, o := c.recognition.Detect(object)
	c.ok("recognition/main-object-detection", o)
	plain, o := direct.recognition.Detect(object)
	direct.ok("recognition/main-object-detection", o)
	if len(places) != 1 || fmt.Sprint(places) != fmt.Sprint(plain) {
		c.t.Errorf("the object was found at %v, without the gateway at %v", places, plain)
	}
	_, o = c.recognition.TagMedia(photo, english)
	c.ok("recognition/media-tagging", o)
	_, o = c.recognition.Celebrities(photo)
	c.ok("recognition/celebrity-recognition", o)
}

// catalogue adds, finds, overwrites and deletes pictures of a search instance.
func (c *program) catalogue(s *scene) {
	c.t.Helper()
	shapes := func(seed uint64) []byte { return file(c.t, "shapes.png", pictures.PNG(pictures.Shapes(120, 90, seed))) }
	c.ok("search/add", c.search.Add("products", "chair", "front.png", shapes(1)))
	c.ok("search/add", c.search.Add("products", "chair", "side.jpg", file(c.t, "side.jpg", pictures.JPEG(pictures.Shapes(120, 90, 2)))))
	c.ok("search/add", c.search.Add("products", "table", "front.png", shapes(3)))
	c.finds(shapes(1), clients.Match{Product: "chair", Name: "front.png"})
	c.finds(shapes(2), clients.Match{Product: "chair", Name: "side.jpg"}) // a PNG of the picture that was added as JPEG
	c.ok("search/add", c.search.Add("products", "chair", "front.png", shapes(4)))
	c.finds(shapes(4), clients.Match{Product: "chair", Name: "front.png"})
	if n := s.up.Images("products"); n != 3 {
		c.t.Errorf("%d images are held after an overwrite, want 3", n)
	}
	c.ok("search/delete", c.search.Delete("products", "chair", ""))
	if n := s.up.Images("products"); n != 1 {
		c.t.Errorf("%d images are held after a product was deleted, want 1", n)
	}
	c.finds(shapes(1), clients.Match{Product: "table", Name: "front.png"})
}

func (c *program) finds(picture []byte, want clients.Match) {
	c.t.Helper()
	matches, o := c.search.Search("products", picture, 1)
	c.ok("search/search", o)
	if len(matches) != 1 || matches[0] != want {
		c.t.Errorf("found %v, want %v", matches, want)
	}
}

// TestRefusalsInSDKs shows each refusal through both SDKs, on a price book that
// makes both services pay-per-use with a rate.
func TestRefusalsInSDKs(t *testing.T) {
	t.Parallel()
	const book = `
currency: USD
pay_per_use:
  - operations: [recognition/image-tagging, recognition/main-object-detection, recognition/media-tagging]
    tiers: [{price: 0.01}]
  - operations: [recognition/celebrity-recognition, search/delete]
    qps: 1
    tiers: [{price: 0.01}]
  - operations: [search/add]
    tiers: [{price: 0.01}]
subscriptions:
  - service: search
    operations: {search/search: search}
    delete_qps: 1
    rows: [{id: one, images: 100, qps: 1, price: 10.00}]
`
	clock, at := testClock("2026-11-10T09:00:00+08:00")
	s := newScene(t, book, clock, at)
	picture := file(t, "red.png", pictures.PNG(pictures.Solid(20, 20, pictures.Red)))
	s.do("POST", "/accounts", map[string]any{"account": "acme"}, nil)
	s.topUp("acme", "10.00")
	s.accessKey("acme", "AKACME")

	stranger := programOf(t, s.URL(), "AKNOBODY")
	_, o := stranger.recognition.Tag(picture, clients.TagOptions{})
	stranger.refused("an unknown access key", o, 401, "unauthenticated")
	stranger.refused("an unknown access key", stranger.search.Add("products", "p", "n", picture), 401, "unauthenticated")

	c := programOf(t, s.URL(), "AKACME")
	_, o = c.search.Search("products", picture, 1)
	c.refused("no instance of that name", o, 403, "wrong-instance")
	_, o = c.recognition.Locate(picture, clients.TagOptions{})
	c.refused("no such operation", o, 404, "")

	_, o = c.recognition.Celebrities(picture)
	c.ok("recognition/celebrity-recognition", o)
	_, o = c.recognition.Celebrities(picture)
	c.refused("two in one instant", o, 429, "rate-limited")
	c.ok("search/delete", c.search.Delete("products", "p", ""))
	c.refused("two in one instant", c.search.Delete("products", "p", ""), 429, "rate-limited")

	s.subscribe("acme", "products", "one") // all there is, so that the two calls make a debt
	s.settle()
	_, o = c.recognition.Tag(picture, clients.TagOptions{})
	c.refused("in arrears", o, 402, "arrears")
	c.refused("in arrears", c.search.Add("products", "p", "n", picture), 402, "arrears")
	_, o = c.search.Search("products", picture, 1)
	c.ok("search/search", o) // what is paid for goes on (D21)
	s.topUp("acme", "0.02")
	c.ok("search/add", c.search.Add("products", "p", "n", picture))
	if got := s.usage("acme").counted(); !maps.Equal(got, c.seen) {
		t.Errorf("the gateway counted %v, the SDKs saw %v", got, c.seen)
	}
}
