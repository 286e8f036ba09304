package caddymodule

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"
)

// index is an upstream that really keeps the images of instance a, and is told
// by every call how to behave.
type index struct {
	mu     sync.Mutex
	images map[string]bool
	most   int
}

func (x *index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	form, _ := url.ParseQuery(string(body))
	how := form.Get("how")
	if how == "fails" {
		io.WriteString(w, `{"Success":false}`)
		return
	}
	x.change(r.URL.Path, form.Get("ProductId"), form.Get("PicName"))
	if how == "slow" {
		time.Sleep(20 * time.Millisecond)
	}
	io.WriteString(w, `{"Success":`)
	if how == "dies" {
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	io.WriteString(w, `true}`)
}

func (x *index) change(path, product, picture string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case path == "/add":
		x.images[product+"/"+picture] = true
	case picture != "":
		delete(x.images, product+"/"+picture)
	default:
		for i := range x.images {
			if i[:len(product)+1] == product+"/" {
				delete(x.images, i)
			}
		}
	}
	x.most = max(x.most, len(x.images))
}

// TestStormOfImages: whatever clients, upstream and ledger do at once, the
// upstream never holds more than the cap, the gateway never thinks that it holds
// less than it does, and nothing stays held.
func TestStormOfImages(t *testing.T) {
	t.Run("clients", func(t *testing.T) { storm(t, "", "", "fails", "slow") })
	t.Run("upstream", func(t *testing.T) { storm(t, "", "", "", "", "fails", "slow", "dies") })
	t.Run("ledger", func(t *testing.T) {
		storm(t, "", "", "ledger fails")
	})
}

func storm(t *testing.T, manners ...string) {
	x := &index{images: make(map[string]bool)}
	s := shop(t, x.ServeHTTP)
	const clients, calls = 8, 60
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(c), 1))
			for range calls {
				how := manners[random.IntN(len(manners))]
				s.set.fail(how == "ledger fails" && random.IntN(8) == 0)
				s.stormyCall(t, random, how)
			}
		})
	}
	all.Wait()
	s.set.fail(false)
	eventually(t, func() string { return s.unlike(x) })
	s.nothingHeld(t)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.most > 2 {
		t.Errorf("the upstream held %d images", x.most)
	}
	held, _ := s.meter.Lower(dora, "a", 1<<62)
	if int(held) < len(x.images) {
		t.Errorf("the gateway counts %d, and the upstream has %d", held, len(x.images))
	}
	t.Logf("%v, %d uncertain, %d in the upstream", s.counts(dora), s.set.uncertain, len(x.images))
}

// unlike says where gateway and upstream differ, when all calls have ended. What
// is uncertain excuses it.
func (s *site) unlike(x *index) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, image := range []string{"p/", "p/1", "p/2", "p/3", "q/", "q/1", "q/2", "q/3"} {
		if known := s.set.has("a", image) != nil; known != x.images[image] && s.set.uncertain == 0 {
			return fmt.Sprintf("%s: %t in the gateway, %t upstream", image, known, x.images[image])
		}
	}
	return ""
}

func (s *imageSet) fail(on bool) {
	s.mu.Lock()
	s.failing = on
	s.mu.Unlock()
}

// stormyCall adds or deletes one of few images, and may leave at any time.
func (s *site) stormyCall(t *testing.T, random *rand.Rand, how string) {
	pick := func(among ...string) string { return among[random.IntN(len(among))] }
	path := pick("/add", "/add", "/delete")
	form := "InstanceName=a&x=" + pick("", bigPicture[:9000]) + "&ProductId=" + pick("p", "q") +
		"&PicName=" + pick("1", "2", "3", "") + "&how=" + url.QueryEscape(how)
	if path == "/add" {
		form += pick("", "", "", "", "", "", "", "&ProductId=r")
	}
	c := s.raw(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Api-Key: dora\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", path, formType, len(form)))
	defer c.Close()
	switch random.IntN(4) {
	case 0:
		io.WriteString(c, form[:random.IntN(len(form))])
		return
	case 1:
		io.WriteString(c, form)
		time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
		return
	}
	io.WriteString(c, form)
	io.Copy(io.Discard, c)
}

// nothingHeld: after the last call a delete of everything is served, and then
// the instance has room for all but what is uncertain.
func (s *site) nothingHeld(t *testing.T) {
	t.Helper()
	eventually(t, func() string {
		for _, product := range []string{"p", "q"} {
			res, _ := s.do(t, "POST", "/delete", "InstanceName=a&ProductId="+product, "X-Api-Key", "dora", "Content-Type", formType)
			if res.StatusCode != 200 {
				return res.Status
			}
		}
		s.set.mu.Lock()
		defer s.set.mu.Unlock()
		if held, _ := s.meter.Lower(dora, "a", 1<<62); held != int64(len(s.set.images))+s.set.uncertain {
			return fmt.Sprintf("%d held, %d in the set, %d uncertain", held, len(s.set.images), s.set.uncertain)
		}
		return ""
	})
}
