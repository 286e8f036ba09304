package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/clients"
	"github.com/tallygate/tallygate/integration/upstream"
)

// stop ends the gateway, with what is in flight.
func (s *scene) stop() {
	s.t.Helper()
	if err := s.Stop(); err != nil {
		s.t.Fatal(err)
	}
}

// verified: the ledger is what journal and sealed files make of it.
func (s *scene) verified() {
	s.t.Helper()
	response, err := http.Post("http://"+s.Admin+"/tallygate/verify", "", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	var last struct {
		Report *struct{ Differences []json.RawMessage }
	}
	lines := bufio.NewScanner(response.Body)
	text := ""
	for lines.Scan() {
		text = lines.Text()
	}
	if err := json.Unmarshal([]byte(text), &last); err != nil || last.Report == nil || len(last.Report.Differences) > 0 {
		s.t.Errorf("verify: %s, %v: %s", response.Status, err, text)
	}
}

// TestImagesOutliveTheLedger: a gateway that was stopped while images changed
// has none of unknown outcome, and a ledger that is lost is made again from the
// journal with the same images in it.
func TestImagesOutliveTheLedger(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.fill("chair", 9)
	s.remove("chair", "picture-2")
	for round := range 2 { // with changes in flight
		adds := make(chan clients.Outcome)
		slow, gone := s.with("delay=300ms"), s.with("delay=300ms")
		name := fmt.Sprint("late-", round)
		go func() { adds <- slow.Add(s.instance, "table", name, onePicture) }()
		go func() { adds <- gone.Delete(s.instance, "chair", fmt.Sprint("picture-", round)) }()
		eventually(t, "both are at the upstream", 20*time.Second, func() bool { return s.up.Busy() == 2 })
		s.stop()
		for range 2 {
			if o := <-adds; !o.OK {
				t.Errorf("a change in flight: %v", o)
			}
		}
		s.restart()
		s.program.seen[toAdd]++
		s.program.seen[toDelete]++
		s.has[upstream.Picture{Product: "table", Name: name}] = true
		delete(s.has, upstream.Picture{Product: "chair", Name: fmt.Sprint("picture-", round)})
		s.agree("restarted")
	}
	s.remove("table", "")
	s.add("table", "late-0") // in the product's second generation
	s.agree("before the ledger is lost")
	s.verified()
	for _, lose := range []bool{true, false} {
		s.stop()
		if lose {
			if err := os.RemoveAll(filepath.Join(s.Dir, "data", "ledger", "badger")); err != nil {
				t.Fatal(err)
			}
		}
		s.restart()
		s.agree("made again")
		s.verified()
		s.add("chair", "picture-5") // overwrites: the set itself is there, not its size only
		s.add("table", "late-0")
		s.remove("table", "late-1")
		s.agree("overwritten")
	}
	s.fill("lamp", 12)
	s.full("at the cap")
	s.reconcile()
}

// change puts another row in force, and gives the status and the refusal.
func (s *shelf) change(room int) (status int, p problem) {
	s.t.Helper()
	status, _, text := s.once(fmt.Sprint("change ", sequence.Add(1)), s.account+"/instances/"+s.instance+"/changes",
		map[string]any{"row": fmt.Sprint("room-", room)})
	return status, problemOf([]byte(text))
}

// TestImagesBeforeADowngrade: a smaller row is refused while the images do not
// fit, those in flight included, and says how many there are; what is admitted
// from then on fits the new row (D30).
func TestImagesBeforeADowngrade(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.row("acme", 8)
	s.fill("chair", 9)
	refused := func(count string) {
		t.Helper()
		status, p := s.change(8)
		if status != http.StatusConflict || !strings.Contains(p.Detail, "holds "+count+" images") {
			t.Fatalf("a downgrade with %s images: %d %+v", count, status, p)
		}
		if n := s.images(); n.MaxImages != 12 {
			t.Fatalf("after a refused downgrade: %+v", n)
		}
	}
	refused("9")
	s.remove("chair", "picture-0")
	sent, rest, ended := make(chan bool), make(chan bool), make(chan answer)
	slow := upload{s: s, picture: 1 << 20, declared: true, name: "slow", between: func(int64) { close(sent); <-rest }}
	go func() { ended <- slow.run() }()
	<-sent
	eventually(t, "the add is at the upstream", 20*time.Second, func() bool { return s.up.Busy() == 1 })
	refused("9") // 8, and the one in flight
	s.agree("an add is in flight")
	s.add("table", "front")
	refused("10")
	close(rest)
	if a := <-ended; a.Status != http.StatusOK {
		t.Fatalf("the slow add: %d %s", a.Status, a.Body)
	}
	s.program.seen[toAdd]++
	s.has[upstream.Picture{Product: "chair", Name: "slow"}] = true
	s.agree("the add in flight has ended")
	refused("10")
	s.remove("chair", "slow")
	refused("9")
	s.remove("table", "")
	if status, p := s.change(8); status != http.StatusCreated {
		t.Fatalf("a downgrade that fits: %d %+v", status, p)
	}
	s.full("the smaller row is full")
	if n := s.images(); n.MaxImages != 8 {
		t.Errorf("after the downgrade: %+v", n)
	}
	s.add("chair", "picture-3")
	s.remove("chair", "picture-3")
	s.add("lamp", "front")
	s.full("the smaller row is full again")
	s.reconcile()
}

// TestImagesRacingADowngrade: whether the row or the adds come first, there are
// never more images than the row in force has room for.
func TestImagesRacingADowngrade(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.row("acme", 8)
	won := 0
	for round := range number(t, "TALLYGATE_IMAGES_ROUNDS", 12) {
		s.fill("chair", 4)
		var adds sync.WaitGroup
		adds.Go(func() {
			passed, _ := s.rush(fmt.Sprintf("delay=%dms", 5*(round%4)), 10, func(n int) string { return fmt.Sprint(n) })
			if len(passed) < 4 || len(passed) > 8 {
				t.Errorf("%d of 10 adds passed", len(passed))
			}
		})
		time.Sleep(time.Duration(round%6) * 2 * time.Millisecond)
		status, p := s.change(8)
		smaller := status == http.StatusCreated
		if !smaller && status != http.StatusConflict {
			t.Fatalf("a downgrade: %d %+v", status, p)
		}
		if smaller && s.up.Images(s.instance) > 8 {
			t.Errorf("the upstream holds %d images after the downgrade", s.up.Images(s.instance))
		}
		adds.Wait()
		s.agree("after the race")
		if room := s.images().MaxImages; len(s.has) > room || smaller != (room == 8) || smaller == (len(s.has) > 8) {
			t.Errorf("round %d: the downgrade was answered with %d, %d images are held of %d", round, status, len(s.has), room)
		}
		if smaller {
			won++
			if status, p := s.change(12); status != http.StatusCreated {
				t.Fatalf("an upgrade: %d %+v", status, p)
			}
		}
		s.remove("rush", "")
	}
	t.Logf("the downgrade came first in %d rounds", won)
	s.reconcile()
}

// TestImagesOfAReleasedInstance: fifteen days after its term the instance is
// released, its images are forgotten, and the operator is told until he says
// that they are deleted; bought anew it begins empty (D28, D32).
func TestImagesOfAReleasedInstance(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.fill("chair", 12)
	each := func(when string, status int, word string) {
		t.Helper()
		_, o := s.program.search.Search(s.instance, onePicture, 1)
		for _, o := range []clients.Outcome{o, s.program.search.Add(s.instance, "chair", "picture-0", onePicture), s.program.search.Delete(s.instance, "chair", "")} {
			s.program.refused(when, o, status, word)
		}
	}
	s.advance("2026-12-10T09:00:00+08:00")
	each("the term has ended", 402, "subscription-expired")
	s.advance("2026-12-25T08:59:59+08:00")
	each("retained", 402, "subscription-expired")
	s.agree("retained")
	s.advance("2026-12-25T09:00:00+08:00")
	each("released", 403, "released")
	if n := s.images(); n.Images != 0 || n.Uncertain != 0 {
		t.Errorf("of the released instance: %+v", n)
	}
	if at := s.events("instance-released"); len(at) != 1 || at[0].Subject != "instance:products" {
		t.Errorf("released events: %+v", at)
	}
	if list := s.releases(); !slices.Equal(list, []string{"acme/products"}) {
		t.Errorf("to be acknowledged are %v", list)
	}
	if status, p := s.refusal("POST", "/accounts/acme/subscriptions", map[string]any{"instance": "products", "row": "room-12"}); status != http.StatusConflict {
		t.Errorf("bought anew before its data is deleted: %d %+v", status, p)
	}
	s.up.Drop(s.instance)
	clear(s.has)
	s.do("POST", "/accounts/acme/releases/acknowledge", map[string]any{"instance": "products"}, nil)
	if list := s.releases(); len(list) > 0 {
		t.Errorf("to be acknowledged are still %v", list)
	}
	s.subscribe("acme", "products", "room-12")
	s.agree("bought anew")
	s.fill("chair", 12)
	s.full("bought anew, and full")
	s.stop()
	s.restart()
	s.full("restarted")
	s.verified()
}
