package integration

import (
	"fmt"
	"sync"
	"testing"

	"github.com/tallygate/tallygate/integration/clients"
	"github.com/tallygate/tallygate/integration/pictures"
	"github.com/tallygate/tallygate/integration/upstream"
)

// TestImagesAtTheCap: a new picture is refused so that the SDK shows why, an
// overwrite passes, and a delete makes room (D28).
func TestImagesAtTheCap(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.fill("chair", 12)
	s.full("at the cap")
	blue := pictures.PNG(pictures.Shapes(40, 30, 9))
	s.program.ok(toAdd, s.program.search.Add(s.instance, "chair", "picture-3", blue))
	s.agree("an overwrite at the cap")
	s.program.finds(blue, clients.Match{Product: "chair", Name: "picture-3"})
	s.full("after an overwrite")

	s.remove("chair", "picture-0")
	s.add("table", "front")
	s.full("the room of a picture is taken")
	s.remove("chair", "picture-0")
	s.full("what was missing made no room")
	s.remove("chair", "")
	s.agree("a product made room")
	s.fill("lamp", 12)
	s.full("all its room is taken")
	if n := s.refusals(); n != 5 {
		t.Errorf("%d refusals are told of, want 5", n)
	}
	s.reconcile()
}

// refusals are the adds that were refused for want of room, as the usage has them.
func (s *shelf) refusals() (n int64) {
	for _, l := range s.usage(s.account).NotBilled {
		if l.Operation == toAdd && l.Reason == "image-capacity" {
			n += l.Settled + l.Open
		}
	}
	return n
}

// TestImagesSimultaneous: of 50 adds at once into 5 free places exactly 5 pass,
// also after 50 that failed; the upstream never holds more than the cap.
func TestImagesSimultaneous(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.fill("chair", 7)
	for round := range 3 {
		if passed, no := s.rush("status=500,delay=30ms", 50, func(n int) string { return fmt.Sprint("lost-", n) }); len(passed) > 0 || no == 50 {
			t.Errorf("%d of 50 adds that fail passed, %d were refused", len(passed), no)
		}
		s.agree("50 adds failed")
		passed, no := s.rush("delay=150ms", 50, func(n int) string { return fmt.Sprintf("%d-%d", round, n) })
		if len(passed) != 5 || no != 45 {
			t.Errorf("%d of 50 adds into 5 places passed, %d were refused", len(passed), no)
		}
		s.full("50 adds at once")
		s.remove("rush", "")
		s.agree("room for the next round")
	}
	// Adds of one picture may each be new until one of them has been answered.
	passed, no := s.rush("delay=20ms", 50, func(int) string { return "the same" })
	if len(passed) < 1 || len(passed)+no != 50 {
		t.Errorf("%d adds of one picture passed, %d were refused", len(passed), no)
	}
	s.agree("one picture, 50 times at once")
	s.fill("lamp", 12)
	s.full("no place was lost")
	s.reconcile()
}

// rush makes adds at once, each with a program of its own, and gives the names
// that passed and how many were refused for want of room.
func (s *shelf) rush(fault string, adds int, name func(int) string) (passed []string, refused int) {
	s.t.Helper()
	outcomes := make([]clients.Outcome, adds)
	programs := make([]*clients.Search, adds)
	for n := range programs {
		programs[n] = s.with(fault)
	}
	var all sync.WaitGroup
	for n, c := range programs {
		all.Go(func() { outcomes[n] = c.Add(s.instance, "rush", name(n), onePicture) })
	}
	all.Wait()
	for n, o := range outcomes {
		programs[n].Close()
		switch {
		case o.OK:
			passed = append(passed, name(n))
			s.program.ok(toAdd, o)
			s.has[upstream.Picture{Product: "rush", Name: name(n)}] = true
		case o.Code == "image-capacity" && o.Status == 403:
			refused++
		case o.Status != 500:
			s.t.Errorf("an add: %v", o)
		}
	}
	return passed, refused
}

// TestImagesNeverPassTheCap adds, overwrites and deletes from many clients at
// once around the cap: the upstream never holds more, and in the end all agree.
func TestImagesNeverPassTheCap(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.fill("chair", 10)
	const workers, calls = 8, 40
	seen := make([]map[string]int64, workers)
	var all sync.WaitGroup
	for w := range workers {
		c, own := s.with(fmt.Sprintf("delay=%dms", w%4)), map[string]int64{}
		seen[w] = own
		all.Go(func() {
			for n := range calls {
				product := fmt.Sprint("product-", (w+n)%3)
				operation, o := toAdd, clients.Outcome{}
				switch n % 5 {
				case 4:
					operation, o = toDelete, c.Delete(s.instance, product, "")
				case 3:
					operation, o = toDelete, c.Delete(s.instance, product, fmt.Sprint(n%7))
				default:
					o = c.Add(s.instance, product, fmt.Sprint((w*n)%7), onePicture)
				}
				if o.OK {
					own[operation]++
				} else if o.Code != "image-capacity" {
					t.Errorf("%s: %v", operation, o)
				}
				if n := s.up.Images(s.instance); n > 12 {
					t.Errorf("the upstream holds %d images", n)
				}
			}
		})
	}
	all.Wait()
	for _, own := range seen {
		for operation, n := range own {
			s.program.seen[operation] += n
		}
	}
	clear(s.has)
	for _, p := range s.up.Pictures(s.instance) { // in which order they ran, only the upstream knows
		s.has[p] = true
	}
	s.agree("many clients")
	s.fill("lamp", 12)
	s.full("no place was lost")
	s.reconcile()
}
