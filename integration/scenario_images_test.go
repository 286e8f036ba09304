package integration

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/clients"
	"github.com/tallygate/tallygate/integration/harness"
	"github.com/tallygate/tallygate/integration/pictures"
	"github.com/tallygate/tallygate/integration/upstream"
)

// shelf is a search instance with little room, and its customer's program. What
// it holds is known three times: by the client, from the calls that it saw
// succeed; by the upstream's index; and by the ledger, which must agree (D28).
type shelf struct {
	*scene
	account, instance, key string
	program                *program
	has                    map[upstream.Picture]bool // by the client
}

const (
	toAdd    = "search/add"
	toDelete = "search/delete"
	seven    = "2026-11-10T09:00:00+08:00"
)

// newShelf is a shelf with room for 12 images, on a test clock.
func newShelf(t *testing.T, replace ...string) *shelf {
	t.Helper()
	clock, at := testClock(seven)
	return newScene(t, "", append([]string{clock, at}, replace...)...).shelf("acme", "products", 12)
}

// shelf opens an account with an instance of its own size.
func (s *scene) shelf(account, instance string, room int) *shelf {
	s.t.Helper()
	t := s.t.(*testing.T)
	key := s.account(account, "1000.00")
	s.row(account, room)
	s.subscribe(account, instance, fmt.Sprint("room-", room))
	s.accessKey(account, "AK"+account)
	return &shelf{s, account, instance, key, programOf(t, s.URL(), "AK"+account), map[upstream.Picture]bool{}}
}

// row puts a row with so much room on sale, whose rates no test reaches.
func (s *scene) row(account string, room int) {
	s.t.Helper()
	s.do("POST", "/accounts/"+account+"/rows", map[string]any{"row": fmt.Sprint("room-", room), "max_images": room,
		"qps": map[string]any{"search": 100_000, "delete": 100_000}, "price": fmt.Sprintf("%d.00", room)}, nil)
}

// held is what the API says of an instance.
type held struct {
	Images, Uncertain int
	MaxImages         int `json:"max_images"`
}

func (s *shelf) images() (h held) {
	s.t.Helper()
	s.do("GET", "/accounts/"+s.account+"/instances/"+s.instance+"/images", nil, &h)
	return h
}

// agree holds the three truths against each other.
func (s *shelf) agree(when string) {
	s.t.Helper()
	client, up, ledger := len(s.has), s.up.Images(s.instance), s.images()
	if up != client || ledger.Images != client || ledger.Uncertain != 0 {
		s.t.Fatalf("%s: the client has %d images, the upstream %d, the ledger %d and %d uncertain", when, client, up, ledger.Images, ledger.Uncertain)
	}
}

// with is the program whose calls go wrong at the upstream.
func (s *shelf) with(fault string) *clients.Search {
	s.t.Helper()
	c, err := clients.NewSearch(clients.Config{Endpoint: s.URL(), AccessKey: "AK" + s.account, Timeout: time.Minute,
		Headers: map[string]string{"X-Sample-Fault": fault}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

var onePicture = pictures.PNG(pictures.Solid(16, 16, pictures.Red))

// add must succeed.
func (s *shelf) add(product, name string) {
	s.t.Helper()
	s.program.ok(toAdd, s.program.search.Add(s.instance, product, name, onePicture))
	s.has[upstream.Picture{Product: product, Name: name}] = true
}

// fill adds new pictures of a product until the instance holds so many.
func (s *shelf) fill(product string, to int) {
	s.t.Helper()
	for n := 0; len(s.has) < to; n++ {
		s.add(product, fmt.Sprint("picture-", n))
	}
	s.agree("filled")
}

// remove must succeed; without a name it deletes the product.
func (s *shelf) remove(product, name string) {
	s.t.Helper()
	s.program.ok(toDelete, s.program.search.Delete(s.instance, product, name))
	maps.DeleteFunc(s.has, func(p upstream.Picture, _ bool) bool {
		return p.Product == product && (name == "" || p.Name == name)
	})
}

// full: a picture that is not there is refused.
func (s *shelf) full(when string) {
	s.t.Helper()
	s.program.refused(when, s.program.search.Add(s.instance, "more", "than fits", onePicture), 403, "image-capacity")
	s.agree(when)
}

// reconcile holds the calls that the SDK saw succeed against those that were
// counted and those that the upstream did.
func (s *shelf) reconcile() {
	s.t.Helper()
	counted := s.usage(s.account).counted()
	truth, err := upstream.ReadTally(s.truth, func(e upstream.Entry) bool { return e.Instance == s.instance })
	if err != nil {
		s.t.Fatal(err)
	}
	for _, operation := range []string{toAdd, toDelete} {
		if seen := s.program.seen[operation]; counted[operation] != seen || int64(truth.Success[operation]) != seen {
			s.t.Errorf("%s: the client saw %d, %d are counted, the upstream did %d", operation, seen, counted[operation], truth.Success[operation])
		}
	}
	s.t.Logf("%d adds and %d deletes succeeded, %d images are held", s.program.seen[toAdd], s.program.seen[toDelete], len(s.has))
}

// TestImagesAreCountedExactly: what counts, what overwrites, what frees, and
// that failures change nothing, one call after the other (D28).
func TestImagesAreCountedExactly(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for _, step := range []struct {
		what string
		do   func()
		left int
	}{
		{"the first", func() { s.add("chair", "front") }, 1},
		{"another picture of the product", func() { s.add("chair", "side") }, 2},
		{"the same name for another product", func() { s.add("table", "front") }, 3},
		{"an overwrite", func() { s.add("chair", "front") }, 3},
		{"names with every kind of sign", func() { s.add("ü & = + % ; / \\ \"", "世界 \t") }, 4},
		{"the same, overwritten", func() { s.add("ü & = + % ; / \\ \"", "世界 \t") }, 4},
		{"a picture", func() { s.remove("table", "front") }, 3},
		{"a picture that is gone", func() { s.remove("table", "front") }, 3},
		{"a product that never was", func() { s.remove("lamp", "") }, 3},
		{"a product with all its pictures", func() { s.remove("chair", "") }, 1},
		{"a picture of a deleted product", func() { s.remove("chair", "side") }, 1},
		{"a deleted product's picture anew", func() { s.add("chair", "side") }, 2},
		{"the others of it stay deleted", func() { s.remove("chair", "front") }, 2},
		{"the product again", func() { s.remove("chair", "") }, 1},
		{"the last", func() { s.remove("ü & = + % ; / \\ \"", "世界 \t") }, 0},
	} {
		step.do()
		s.agree(step.what)
		if n := s.images(); n.Images != step.left || n.MaxImages != 12 {
			t.Fatalf("%s: %+v, want %d of 12", step.what, n, step.left)
		}
	}
	s.reconcile()
}

// imageFaults make an add or a delete fail before the upstream has changed
// anything.
var imageFaults = []string{"status=500", "status=404", "error-in-200", "error-in-200,gzip", "status=503,chunked", "hangup", "canned,not-json"}

// TestImagesByChance takes an instance through hundreds of adds, overwrites and
// deletes, some of which fail or find it full, and agrees after each.
func TestImagesByChance(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	seed := number(t, "TALLYGATE_IMAGES_SEED", int(time.Now().UnixNano()&0xffffff))
	t.Logf("TALLYGATE_IMAGES_SEED=%d", seed)
	r := rand.New(rand.NewPCG(uint64(seed), 28))
	faulty := map[string]*clients.Search{}
	for _, fault := range imageFaults {
		faulty[fault] = s.with(fault)
	}
	refused, failed := 0, 0
	for n := range number(t, "TALLYGATE_IMAGES_STEPS", 250) {
		p := upstream.Picture{Product: fmt.Sprint("product ", r.IntN(4)), Name: fmt.Sprint("picture ", r.IntN(6))}
		fault, adds := pick(r, imageFaults...), r.IntN(3) > 0
		if !adds && r.IntN(4) == 0 {
			p.Name = ""
		}
		fits := len(s.has) < 12 || s.has[p] || !adds
		switch {
		case r.IntN(4) == 0 && fits:
			s.fails(fault, adds, faulty[fault], p)
			failed++
		case !fits:
			s.program.refused("a new picture", s.program.search.Add(s.instance, p.Product, p.Name, onePicture), 403, "image-capacity")
			refused++
		case adds:
			s.add(p.Product, p.Name)
		default:
			s.remove(p.Product, p.Name)
		}
		s.agree(fmt.Sprintf("step %d, %+v, added %t", n, p, adds))
	}
	t.Logf("%d found the instance full, %d failed", refused, failed)
	s.reconcile()
}

// fails makes a call that the upstream fails.
func (s *shelf) fails(fault string, adds bool, c *clients.Search, p upstream.Picture) {
	s.t.Helper()
	call := c.Delete
	if adds {
		call = func(instance, product, name string) clients.Outcome {
			return c.Add(instance, product, name, onePicture)
		}
	}
	if o := call(s.instance, p.Product, p.Name); o.OK {
		s.t.Fatalf("%s: the call succeeded", fault)
	}
}

// TestImagesOfADeadUpstream: what fails because nobody is there gives its room
// back, and reloads keep all counts.
func TestImagesOfADeadUpstream(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	clock, at := testClock(seven)
	caddyfile := example(t, clock, at)
	s.fill("chair", 11)
	s.load(strings.Replace(caddyfile, "{{.Upstream}}", harness.FreePorts(t, 1)[0], 1))
	for range 3 {
		s.fails("dead", true, s.program.search, upstream.Picture{Product: "table", Name: "new"})
		s.fails("dead", true, s.program.search, upstream.Picture{Product: "chair", Name: "picture-0"})
		s.fails("dead", false, s.program.search, upstream.Picture{Product: "chair", Name: "picture-0"})
		s.fails("dead", false, s.program.search, upstream.Picture{Product: "chair"})
		s.agree("the upstream is dead")
	}
	s.load(caddyfile)
	s.add("table", "new")
	s.full("no place was lost")
	s.reconcile()
}

// load reloads the gateway, which closes connections that rest: the SDK would
// send into one of them, and not send again.
func (s *shelf) load(caddyfile string) {
	s.t.Helper()
	if err := s.Reload(caddyfile); err != nil {
		s.t.Fatal(err)
	}
	s.program.search.Close()
}
