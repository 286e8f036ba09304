package integration

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/clients"
	"github.com/tallygate/tallygate/integration/harness"
	"github.com/tallygate/tallygate/integration/upstream"
)

// impatient is a program that waits 100 ms for an answer.
func (s *shelf) impatient(fault string) *clients.Search {
	s.t.Helper()
	c, err := clients.NewSearch(clients.Config{Endpoint: s.URL(), AccessKey: "AK" + s.account, Timeout: 100 * time.Millisecond,
		Headers: map[string]string{"X-Sample-Fault": fault}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// quiet waits until the upstream is done, and the gateway has heard of it.
func (s *shelf) quiet() {
	s.t.Helper()
	eventually(s.t, "nothing is in flight", 20*time.Second, func() bool {
		var proxied []struct {
			Requests int `json:"num_requests"`
		}
		if err := s.API(harness.Request{Path: "/reverse_proxy/upstreams"}, &proxied); err != nil || s.up.Busy() > 0 {
			return false
		}
		return len(proxied) == 0 || proxied[0].Requests == 0
	})
}

// TestImagesOfClientsThatLeave: a client that does not wait for its answer holds
// no image that is not counted; and what the upstream never answers is uncertain
// until it is reconciled (D28).
func TestImagesOfClientsThatLeave(t *testing.T) {
	t.Parallel()
	s := newShelf(t, "wait 5s", "wait 500ms")
	s.fill("chair", 10)
	slow := s.impatient("delay=300ms")
	for n, call := range []struct {
		adds bool
		upstream.Picture
	}{
		{true, upstream.Picture{Product: "table", Name: "new"}},
		{true, upstream.Picture{Product: "chair", Name: "picture-0"}},
		{false, upstream.Picture{Product: "chair", Name: "picture-1"}},
		{true, upstream.Picture{Product: "table", Name: "newer"}},
		{true, upstream.Picture{Product: "lamp", Name: "new"}},
		{false, upstream.Picture{Product: "table"}},
	} {
		s.fails("the client left", call.adds, slow, call.Picture)
		s.quiet()
		s.has = map[upstream.Picture]bool{}
		for _, p := range s.up.Pictures(s.instance) {
			s.has[p] = true
		}
		s.agree(fmt.Sprintf("client %d left", n))
		if call.Name != "" && s.has[call.Picture] != call.adds {
			t.Fatalf("client %d left, and the upstream did nothing", n)
		}
	}
	s.fill("sofa", 11)
	hung := s.impatient("hang")
	s.fails("hang", true, hung, upstream.Picture{Product: "lamp", Name: "who knows"})
	eventually(t, "it is uncertain", 20*time.Second, func() bool { return s.images().Uncertain == 1 })
	s.program.refused("the last place may be taken", s.program.search.Add(s.instance, "more", "than fits", onePicture), 403, "image-capacity")
	if n := s.images(); n.Images != 11 || s.up.Images(s.instance) != 11 {
		t.Errorf("%+v, the upstream holds %d", n, s.up.Images(s.instance))
	}
	if got, text := s.reconcileWithUpstream(); got.Images != 11 || got.Settled != 1 || got.Added+got.Removed != 0 {
		t.Errorf("reconciled: %s", text)
	}
	s.add("more", "than fit")
	s.full("no place was lost")
}

// TestImagesOfBrokenAnswers: an upstream that said success and died in the middle
// of it has done it, or has not. The image is uncertain: the places taken are
// never fewer than the upstream holds, and reconciled they are as many.
func TestImagesOfBrokenAnswers(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.fill("chair", 8)
	broken := map[string]int{"truncate": 0, "truncate-chunked": 1, "canned,truncate": 2, "canned,pad=3000,truncate": 3}
	for fault, n := range broken {
		s.fails(fault, true, s.with(fault), upstream.Picture{Product: "table", Name: fmt.Sprint(n)})
	}
	if n := s.images(); n.Images != 8 || n.Uncertain != 4 || s.up.Images(s.instance) != 10 {
		t.Errorf("%+v, the upstream holds %d", n, s.up.Images(s.instance))
	}
	s.program.refused("all places may be taken", s.program.search.Add(s.instance, "more", "than fits", onePicture), 403, "image-capacity")
	s.program.ok(toAdd, s.program.search.Add(s.instance, "chair", "picture-0", onePicture))
	s.fails("truncate", false, s.with("truncate"), upstream.Picture{Product: "chair", Name: "picture-1"})
	if n := s.images(); n.Images != 8 || n.Uncertain != 5 || s.up.Images(s.instance) != 9 {
		t.Errorf("%+v, the upstream holds %d", n, s.up.Images(s.instance))
	}
	if got, text := s.reconcileWithUpstream(); got != (reconciled{9, 2, 1, 5}) {
		t.Errorf("reconciled: %s", text)
	}
	delete(s.has, upstream.Picture{Product: "chair", Name: "picture-1"})
	s.has[upstream.Picture{Product: "table", Name: "0"}], s.has[upstream.Picture{Product: "table", Name: "1"}] = true, true
	s.agree("reconciled")
	s.fill("lamp", 12)
	s.full("no place was lost")
	s.stop()
	s.restart()
	s.full("restarted")
	s.verified()
}

// TestImagesOfClientsThatVanish: connections that are reset at any instant of an
// add or a delete, around the cap: the upstream never holds more than the cap, and
// when all is quiet the ledger holds as many.
func TestImagesOfClientsThatVanish(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.fill("chair", 10)
	for round := range number(t, "TALLYGATE_IMAGES_ROUNDS", 6) {
		var all sync.WaitGroup
		for worker := range 8 {
			chance := rand.New(rand.NewPCG(uint64(round), uint64(worker)))
			all.Go(func() {
				for range 8 {
					s.vanish(chance)
					if n := s.up.Images(s.instance); n > 12 {
						t.Errorf("the upstream holds %d images", n)
					}
				}
			})
		}
		all.Wait()
		s.quiet()
		eventually(t, "the ledger holds what the upstream does", 10*time.Second, func() bool {
			n := s.images()
			return n.Images == s.up.Images(s.instance) && n.Uncertain == 0
		})
	}
	counted := s.usage(s.account).counted()
	truth, err := upstream.ReadTally(s.truth, func(e upstream.Entry) bool { return e.Instance == s.instance })
	if err != nil {
		t.Fatal(err)
	}
	for _, operation := range []string{toAdd, toDelete} {
		if seen, did := s.program.seen[operation], int64(truth.Success[operation]); counted[operation] < seen || counted[operation] > did {
			t.Errorf("%s: clients saw %d, %d are counted, the upstream did %d", operation, seen, counted[operation], did)
		}
	}
	t.Logf("the upstream did %v; counted are %v", truth.Success, counted)
}

// vanish makes a call and resets its connection some time after it was sent, or
// in the middle of that.
func (s *shelf) vanish(chance *rand.Rand) {
	product, name, path := fmt.Sprint("product-", chance.IntN(3)), fmt.Sprint(chance.IntN(8)), "/v2/image/add"
	if chance.IntN(4) == 0 {
		path = "/v2/image/delete"
	}
	body := form("InstanceName", s.instance, "PicContent", inBase64, "PicName", name, "ProductId", product)
	c, err := net.Dial("tcp", s.HTTP)
	if err != nil {
		s.t.Error(err)
		return
	}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nX-Api-Key: %s\r\nX-Sample-Fault: delay=%dms\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n",
		path, s.HTTP, s.key, chance.IntN(3), formType, len(body))
	if chance.IntN(6) == 0 {
		body = body[:chance.IntN(len(body))]
	}
	_, _ = c.Write([]byte(head + body)) // what became of it, the upstream knows
	time.Sleep(time.Duration(chance.IntN(6000)) * time.Microsecond)
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
}
