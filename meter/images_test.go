package meter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

// imageSet is a ledger's set of images, in memory.
type imageSet struct {
	mu        sync.Mutex
	images    map[account.Image]bool
	uncertain []account.ImageChange
	changes   []account.ImageChange
	failing   bool
	after     func() // called before ChangeImages returns
}

var errDiskFull = errors.New("disk full")

func (s *imageSet) HasImage(i account.Image) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing {
		return false, errDiskFull
	}
	return s.images[i], nil
}

func (s *imageSet) ChangeImages(c account.ImageChange) (int64, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing {
		return 0, 0, errDiskFull
	}
	if s.after != nil {
		defer s.after()
	}
	if s.images == nil {
		s.images = make(map[account.Image]bool)
	}
	s.changes = append(s.changes, c)
	switch c.Kind {
	case account.ImageAdded:
		s.images[c.Image] = true
	case account.ImageDeleted:
		delete(s.images, c.Image)
	case account.ProductDeleted:
		for i := range s.images {
			if i.Product == c.Product && i.Instance == c.Instance {
				delete(s.images, i)
			}
		}
	case account.ImageUncertain:
		s.uncertain = append(s.uncertain, c)
	}
	return int64(len(s.images)), int64(len(s.uncertain)), nil
}

func (s *imageSet) fail(failing bool) {
	s.mu.Lock()
	s.failing = failing
	s.mu.Unlock()
}

func (s *imageSet) count() (images, uncertain int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.images), len(s.uncertain)
}

// shop is a meter with one instance of so many images.
type shop struct {
	*Meter
	t    *testing.T
	set  *imageSet
	key  Key
	view View
}

func newShop(t *testing.T, most int64) *shop { return openShop(t, t.TempDir(), new(imageSet), most) }

func openShop(t *testing.T, dir string, set *imageSet, most int64) *shop {
	m := newMeter(t, dir, NewTestClock(testStart))
	m.SetImages(set)
	images, uncertain := set.count()
	view := View{Number: 1, Subscriptions: []Subscription{{Number: 1, Instance: "shop", Start: at(testStart), End: at(testStart.Add(time.Hour)),
		Limits: [3]uint32{1000, 1000, 1000}, MaxImages: most}}, Instances: []Instance{{Name: "shop", ID: 3, Images: int64(images), Uncertain: int64(uncertain)}}}
	return &shop{Meter: m, t: t, set: set, key: keyFor(t, m, view, "shop"), view: view}
}

func named(product, picture string) ImageNames {
	return ImageNames{NameOf(product), NameOf(picture)}
}

// admit takes a call up to where it would be forwarded.
func (s *shop) admit(operation uint16, n ImageNames) (Hold, Verdict) {
	h, v := s.Admit(Call{Key: s.key, Operation: operation, Images: true})
	if v.Reason == 0 {
		s.Ready(s.t.Context(), &h, &v, n, 10*time.Millisecond)
	}
	return h, v
}

// must is admit for a call that has to pass.
func (s *shop) must(operation uint16, n ImageNames) Hold {
	s.t.Helper()
	h, v := s.admit(operation, n)
	if v.Reason != 0 {
		s.t.Fatalf("refused: %s", v.Reason)
	}
	return h
}

func (s *shop) add(product, picture string) {
	s.t.Helper()
	h := s.must(opAdd, named(product, picture))
	s.Post(&h)
}

func (s *shop) remove(product, picture string) {
	s.t.Helper()
	h := s.must(opDelete, named(product, picture))
	s.Post(&h)
}

// refused checks that a call is refused, and that this changes nothing.
func (s *shop) refused(operation uint16, n ImageNames, want account.Kind) {
	s.t.Helper()
	before := s.Open(1, 0)
	if _, v := s.admit(operation, n); v.Reason != want {
		s.t.Fatalf("%s, want %s", v.Reason, want)
	}
	l := account.Line{Account: 1, Operation: operation, Kind: want}
	before[l]++
	if got := s.Open(1, 0); fmt.Sprint(got) != fmt.Sprint(before) {
		s.t.Errorf("counted %v, want %v", got, before)
	}
}

// holds checks what the instance holds, by the meter and by the ledger.
func (s *shop) holds(images, uncertain, held int) {
	s.t.Helper()
	c := s.account(1).findInstance(s.store, "shop").imageChanges(s.store)
	if c.images != int64(images) || c.uncertain+c.lost != int64(uncertain) || c.held != int64(held) {
		s.t.Errorf("the meter has %d images, %d uncertain, %d lost, %d held; want %d, %d, %d", c.images, c.uncertain, c.lost, c.held, images, uncertain, held)
	}
	if n, _ := s.set.count(); n != images {
		s.t.Errorf("the ledger has %d images, want %d", n, images)
	}
}

// TestCapacity goes through D28: what counts, what overwrites, what frees.
func TestCapacity(t *testing.T) {
	s := newShop(t, 2)
	s.add("p", "a")
	s.add("p", "a") // overwrites
	s.holds(1, 0, 0)
	s.add("p", "b")
	s.holds(2, 0, 0)
	s.refused(opAdd, named("p", "c"), account.ImageCapacity)
	s.refused(opAdd, named("q", "a"), account.ImageCapacity)
	s.add("p", "b") // at the cap an overwrite passes
	s.remove("p", "missing")
	s.holds(2, 0, 0)
	s.remove("p", "a")
	s.add("q", "")
	s.holds(2, 0, 0)
	s.remove("q", "x") // not the one without a name
	s.holds(2, 0, 0)
	s.remove("q", "") // the product
	s.add("p", "c")
	s.remove("p", "")
	s.holds(0, 0, 0)
	last := s.set.changes[len(s.set.changes)-1]
	if last.Account != 1 || last.Instance != 3 || last.Kind != account.ProductDeleted || last.Product != NameOf("p").Hash || last.Picture != [16]byte{} {
		t.Errorf("the product was deleted by %+v", last)
	}
}

// TestFailedCallsChangeNothing (D28).
func TestFailedCallsChangeNothing(t *testing.T) {
	s := newShop(t, 1)
	h := s.must(opAdd, named("p", "a"))
	s.holds(0, 0, 1)
	s.refused(opAdd, named("p", "b"), account.ImageCapacity)
	s.Release(&h, account.FailedBody)
	s.holds(0, 0, 0)
	s.add("p", "b")
	d := s.must(opDelete, named("p", "b"))
	s.Release(&d, account.FailedStatus)
	s.holds(1, 0, 0)
	if n := s.images.log.Len(); n != 0 {
		t.Errorf("%d intents are open", n)
	}
}

// TestARefusalTakesNoRate: the cap is judged after the rate, and gives its place
// back.
func TestARefusalTakesNoRate(t *testing.T) {
	s := newShop(t, 1)
	s.view.Subscriptions[0].Limits = [3]uint32{1, 2, 1}
	s.Update(s.view)
	s.add("p", "a")
	for range 3 {
		s.refused(opAdd, named("p", "b"), account.ImageCapacity)
	}
	if _, v := s.admit(opAdd, named("p", "b")); v.Remaining != 1 || v.Limit != 2 {
		t.Errorf("a refused call leaves %d of %d", v.Remaining, v.Limit)
	}
	h, v := s.admit(opAdd, named("p", "a"))
	if v.Reason != 0 || v.Remaining != 0 {
		t.Fatalf("%s, %d remain", v.Reason, v.Remaining)
	}
	s.Post(&h)
	s.refused(opAdd, named("p", "a"), account.RateLimited)
}

// TestRoomBeforeReady: an add that found no room gets some if there is when it is
// about to be forwarded; and who needs names before that.
func TestRoomBeforeReady(t *testing.T) {
	s := newShop(t, 1)
	first := s.must(opAdd, named("p", "a"))
	h, v := s.Admit(Call{Key: s.key, Operation: opAdd, Images: true})
	d, _ := s.Admit(Call{Key: s.key, Operation: opDelete, Images: true})
	if first.NeedsNames() || !h.NeedsNames() || !d.NeedsNames() || !h.HasImage() {
		t.Errorf("names needed: with room %t, without %t, to delete %t", first.NeedsNames(), h.NeedsNames(), d.NeedsNames())
	}
	s.Release(&d, account.FailedStatus)
	s.Release(&first, account.FailedStatus)
	s.Ready(t.Context(), &h, &v, ImageNames{}, time.Second)
	if v.Reason != 0 {
		t.Fatal(v.Reason)
	}
	s.holds(0, 0, 1)
	s.Name(&h, named("p", "b"))
	s.Post(&h)
	s.holds(1, 0, 0)
}

// TestViewWhileTheLedgerIsTold: a view that is older than the change it crosses
// does not undo it.
func TestViewWhileTheLedgerIsTold(t *testing.T) {
	s := newShop(t, 3)
	s.set.after = func() { s.Update(s.view) } // as of no images
	s.add("p", "a")
	s.holds(1, 0, 0)
	s.view.Instances[0].Images = 2 // another change
	s.add("p", "b")
	s.set.after = nil
	s.holds(2, 0, 0)
}

// TestGiveBack: whichever admission is taken back, the others leave the window
// when they would have.
func TestGiveBack(t *testing.T) {
	t.Parallel()
	const n, step = 4, int64(100 * time.Millisecond)
	for back := range int64(n) {
		var w window
		s := new(rings)
		for i := range int64(n) {
			w.take(s, i*step)
		}
		w.giveBack(s, back*step, n*step)
		w.giveBack(s, back*step, n*step) // it is gone
		if free, _ := w.room(s, n, n*step); free != 1 {
			t.Fatalf("call %d taken back: room for %d", back, free)
		}
		for i := range int64(n) {
			want := uint32(1 + i + 1)
			if i >= back {
				want--
			}
			if free, _ := w.room(s, n, second+i*step); free != want {
				t.Errorf("call %d taken back, at %d: room for %d, want %d", back, i, free, want)
			}
		}
	}
	var w window
	s := new(rings)
	w.take(s, 0)
	w.giveBack(s, 0, second) // too late to matter
	w.take(s, second+1)
	if free, _ := w.room(s, 1, second+2); free != 0 {
		t.Error("a younger admission was taken back")
	}
}

// TestSimultaneousAddsAtTheCap: exactly the free places are served (D28).
func TestSimultaneousAddsAtTheCap(t *testing.T) {
	for round := range 20 {
		s := newShop(t, 7)
		s.add("p", "there")
		var served, overwritten atomic.Int32
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				n := named("p", fmt.Sprint(i))
				if i%4 == 0 {
					n = named("p", "there")
				}
				h, v := s.admit(opAdd, n)
				switch {
				case v.Reason != 0:
				case i%4 == 0:
					overwritten.Add(1)
					s.Post(&h)
				default:
					served.Add(1)
					s.Post(&h)
				}
				if c, _ := s.set.count(); c > 7 {
					t.Errorf("%d images of 7", c)
				}
			})
		}
		all.Wait()
		images, _ := s.set.count()
		if overwritten.Load() != 10 || int(served.Load()) != images-1 || images > 7 {
			t.Fatalf("round %d: %d new images and %d overwritten ones served, %d in the ledger", round, served.Load(), overwritten.Load(), images)
		}
		for i := images; i < 7; i++ { // a place held by an overwrite was refused to a new one, and is free now
			s.add("late", fmt.Sprint(i))
		}
		s.refused(opAdd, named("p", "more"), account.ImageCapacity)
		s.holds(7, 0, 0)
	}
}

// TestNamesThatAreNotKnown: an upstream that answers before it has read the body
// leaves an uncertain image.
func TestNamesThatAreNotKnown(t *testing.T) {
	s := newShop(t, 2)
	h := s.must(opAdd, ImageNames{})
	s.Post(&h)
	s.holds(0, 1, 0)
	if c := s.set.uncertain[0]; c.Kind != account.ImageUncertain || c.Product != [16]byte{} {
		t.Errorf("%+v", c)
	}
	h = s.must(opAdd, ImageNames{})
	s.Name(&h, ImageNames{Product: NameOf("p")})
	s.Name(&h, named("p", "a"))
	s.Post(&h)
	s.holds(1, 1, 0)
	s.refused(opAdd, named("p", "b"), account.ImageCapacity) // the uncertain one takes a place
}

// TestObservedCapacity: judged, forwarded, not counted, not recorded.
func TestObservedCapacity(t *testing.T) {
	s := newShop(t, 0)
	h, v := s.Admit(Call{Key: s.key, Operation: opAdd, Images: true, Observe: true})
	if v.Reason != 0 || !h.NeedsNames() {
		t.Fatal(v.Reason)
	}
	s.Ready(t.Context(), &h, &v, named("p", "a"), time.Second)
	if v.Reason != account.ImageCapacity || v.Refused() {
		t.Fatalf("%s, refused %t", v.Reason, v.Refused())
	}
	l := account.Line{Account: 1, Operation: opAdd, Kind: account.ImageCapacity, Observed: true}
	if n := s.Open(1, 0)[l]; n != 1 {
		t.Errorf("%v", s.Open(1, 0))
	}
	s.holds(0, 0, 0)
}

// TestWithoutImages: where names cannot be read there is no capacity, as before.
func TestWithoutImages(t *testing.T) {
	s := newShop(t, 0)
	h, v := s.Admit(Call{Key: s.key, Operation: opAdd})
	if v.Reason != 0 || h.HasImage() || h.NeedsNames() {
		t.Fatal(v.Reason)
	}
	s.Post(&h)
	h, _ = s.Admit(Call{Key: s.key, Operation: opSearch, Images: true})
	if h.HasImage() || s.KeepsImages(opSearch) || s.KeepsImages(opTagging) || s.KeepsImages(99) || !s.KeepsImages(opAdd) || !s.KeepsImages(opDelete) {
		t.Error("searches change images")
	}
	s.Post(&h)
}

// TestNoLedgerOfImages: adds and deletes get 503, searches pass.
func TestNoLedgerOfImages(t *testing.T) {
	s := newShop(t, 1)
	s.SetImages(nil)
	s.refused(opAdd, named("p", "a"), account.MeteringUnavailable)
	s.refused(opDelete, named("p", "a"), account.MeteringUnavailable)
}

// TestFailingLedger: the call that meets the failure counts and its image is
// uncertain; the next ones are refused until the ledger has taken it.
func TestFailingLedger(t *testing.T) {
	s := newShop(t, 2)
	h := s.must(opAdd, named("p", "a"))
	s.set.fail(true)
	s.Post(&h)
	s.holds(0, 1, 0)
	if n := s.Open(1, 0)[h.Line()]; n != 1 {
		t.Errorf("counted %d times", n)
	}
	s.refused(opAdd, named("p", "b"), account.MeteringUnavailable)
	s.refused(opDelete, named("p", "a"), account.MeteringUnavailable)
	s.Update(s.view) // a settlement that knows nothing of it
	s.holds(0, 1, 0)
	s.set.fail(false)
	s.add("p", "b")
	s.holds(1, 1, 0)
	if len(s.set.uncertain) != 1 || s.set.uncertain[0].Product != NameOf("p").Hash || s.images.log.Len() != 0 {
		t.Errorf("uncertain: %+v, %d intents open", s.set.uncertain, s.images.log.Len())
	}
	s.set.fail(true)
	s.refused(opAdd, named("p", "c"), account.MeteringUnavailable) // at the cap the ledger is asked
}

// TestUnwritableIntents: what cannot be written down is not forwarded.
func TestUnwritableIntents(t *testing.T) {
	s := newShop(t, 2)
	path := filepath.Join(s.config.Dir, "images.intents")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	s.refused(opAdd, named("p", "a"), account.MeteringUnavailable)
	s.holds(0, 0, 0)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.add("p", "a")
}

// TestRecoverIntents: what was in flight when the process was killed is
// uncertain after it, and occupies capacity.
func TestRecoverIntents(t *testing.T) {
	dir := t.TempDir()
	set := new(imageSet)
	s := openShop(t, dir, set, 10)
	s.add("p", "done")
	failed := s.must(opAdd, named("p", "failed"))
	s.Release(&failed, account.FailedStatus)
	half := s.must(opAdd, ImageNames{Product: NameOf("half")})
	streamed := s.must(opAdd, ImageNames{})
	s.Name(&streamed, ImageNames{Product: NameOf("q")})
	s.Name(&streamed, named("q", "a"))
	removed := s.must(opDelete, named("r", "b"))
	lost := s.must(opAdd, named("p", "lost"))
	set.fail(true)
	s.Post(&lost)
	set.fail(false)

	next := openShop(t, dir, set, 10) // the file as kill -9 leaves it
	changes, err := next.RecoverIntents()
	if err != nil {
		t.Fatal(err)
	}
	want := []ImageNames{{Product: NameOf("half")}, named("q", "a"), named("r", "b"), named("p", "lost")}
	if len(changes) != len(want) {
		t.Fatalf("%d open, want %d: %+v", len(changes), len(want), changes)
	}
	for i, c := range changes {
		if c.Kind != account.ImageUncertain || c.Account != 1 || c.Instance != 3 || c.Product != want[i].Product.Hash || c.Picture != want[i].Picture.Hash {
			t.Errorf("%d: %+v", i, c)
		}
		if _, _, err := set.ChangeImages(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := next.ForgetIntents(); err != nil {
		t.Fatal(err)
	}
	for _, h := range []*Hold{&half, &streamed, &removed} { // so that it can be closed
		s.Release(h, account.FailedStatus)
	}
	third := openShop(t, dir, set, 10)
	if changes, err := third.RecoverIntents(); err != nil || len(changes) != 0 {
		t.Errorf("%+v, %v", changes, err)
	}
	third.holds(1, 4, 0)
}

// TestLower: a downgrade is refused or takes force at once, for adds in flight,
// too (D30).
func TestLower(t *testing.T) {
	s := newShop(t, 5)
	s.add("p", "a")
	h := s.must(opAdd, named("p", "b"))
	if held, ok := s.Lower(1, "shop", 1); ok || held != 2 {
		t.Fatalf("%d held, lowered %t", held, ok)
	}
	if held, ok := s.Lower(1, "shop", 2); !ok || held != 2 {
		t.Fatalf("%d held, lowered %t", held, ok)
	}
	s.refused(opAdd, named("p", "c"), account.ImageCapacity)
	s.Release(&h, account.FailedStatus)
	s.add("p", "c")
	s.refused(opAdd, named("p", "d"), account.ImageCapacity)
	s.view.Instances[0].Images = 2
	s.Update(s.view)
	s.add("p", "d")
	if _, ok := s.Lower(1, "other", 0); !ok {
		t.Error("an instance that nobody called holds images")
	}
}

// TestViewsDuringAChange: what the ledger says meanwhile never makes room that
// is not there.
func TestViewsDuringAChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		heard       []int64 // views while the change is under way
		after, want int64
	}{
		{"none", nil, 6, 6},
		{"from before an add", []int64{5}, 6, 6},
		{"from after an add", []int64{6}, 6, 6},
		{"from before a delete", []int64{5}, 4, 4},
		{"from after a delete", []int64{4}, 4, 4},
		{"of another change, more", []int64{7}, 6, 7},
		{"of another change, fewer", []int64{2}, 6, 6},
	} {
		count := &imageChanges{images: 5, changing: true}
		for _, n := range c.heard {
			count.told(n, 0)
		}
		count.changed(c.after, 0, nil)
		if count.images != c.want {
			t.Errorf("%s: %d images, want %d", c.name, count.images, c.want)
		}
		if count.told(1, 0); count.images != 1 {
			t.Errorf("%s: a view after the change is overlooked", c.name)
		}
	}
	count := &imageChanges{images: 5, changing: true}
	count.told(3, 0)
	if count.changed(0, 0, errDiskFull); count.images != 3 {
		t.Errorf("after a change that failed: %d images", count.images)
	}
}

// TestInstanceBoughtAnew has another set, and none of the old one's images.
func TestInstanceBoughtAnew(t *testing.T) {
	s := newShop(t, 1)
	s.add("p", "a")
	late := s.must(opAdd, named("p", "a"))
	s.view.Instances[0] = Instance{Name: "shop", ID: 4}
	s.Update(s.view)
	s.add("p", "a")
	if c := s.set.changes[1]; c.Instance != 4 {
		t.Errorf("%+v", c)
	}
	s.Post(&late)
	if c := s.set.changes[2]; c.Instance != 3 {
		t.Errorf("the call in flight changed %+v", c)
	}
}

// queued starts a call and waits until it stands in the queue.
func (s *shop) queued(ctx context.Context, operation uint16, n ImageNames, wait time.Duration) chan Verdict {
	s.t.Helper()
	length := func() int {
		a := s.account(1)
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.findInstance(s.store, "shop").imageChanges(s.store).calls)
	}
	before, done := length(), make(chan Verdict, 1)
	h, v := s.Admit(Call{Key: s.key, Operation: operation, Images: true})
	if v.Reason != 0 {
		s.t.Fatal(v.Reason)
	}
	go func() {
		s.Ready(ctx, &h, &v, n, wait)
		if v.Reason == 0 {
			s.Post(&h)
		}
		done <- v
	}()
	for length() == before {
		select {
		case v := <-done: // it has run already
			done <- v
			return done
		case <-time.After(50 * time.Microsecond):
		}
	}
	return done
}

func waits(t *testing.T, what string, done chan Verdict) {
	t.Helper()
	select {
	case v := <-done:
		t.Errorf("%s did not wait: %s", what, v.Reason)
	case <-time.After(5 * time.Millisecond):
	}
}

func runs(t *testing.T, what string, done chan Verdict) {
	t.Helper()
	select {
	case v := <-done:
		if v.Reason != 0 {
			t.Errorf("%s: %s", what, v.Reason)
		}
	case <-time.After(5 * time.Second):
		t.Fatalf("%s waits for ever", what)
	}
}

// TestTurns: who waits for whom (D28).
func TestTurns(t *testing.T) {
	ctx, long := t.Context(), time.Minute
	s := newShop(t, 100)
	unknown := s.must(opAdd, ImageNames{}) // an upload whose product is not known
	runs(t, "an add beside it", s.queued(ctx, opAdd, named("p", "a"), long))
	runs(t, "an unknown add beside it", s.queued(ctx, opAdd, ImageNames{}, long))
	deleteP := s.queued(ctx, opDelete, named("p", "a"), long)
	waits(t, "a delete behind an unknown add", deleteP)
	addQ := s.queued(ctx, opAdd, named("q", "a"), long)
	runs(t, "an add of another product", addQ)
	addP, addU := s.queued(ctx, opAdd, named("p", "b"), long), s.queued(ctx, opAdd, ImageNames{}, long)
	waits(t, "an add behind a waiting delete of its product", addP)
	waits(t, "an unknown add behind a waiting delete", addU)
	s.Name(&unknown, ImageNames{Product: NameOf("r")}) // not p: the delete need not wait
	runs(t, "the delete", deleteP)
	runs(t, "the add behind it", addP)
	runs(t, "the unknown add behind it", addU)
	deleteR := s.queued(ctx, opDelete, named("r", ""), long)
	waits(t, "a delete of the product that is being added", deleteR)
	runs(t, "a delete of another product", s.queued(ctx, opDelete, named("p", ""), long))
	s.Release(&unknown, account.FailedStatus)
	runs(t, "the delete after the add failed", deleteR)
	if q := s.account(1).findInstance(s.store, "shop").imageChanges(s.store).calls; len(q) != 0 {
		t.Errorf("%d calls are left in the queue", len(q))
	}
}

// TestTheWaitIsBounded, by its own length and by the request's context.
func TestTheWaitIsBounded(t *testing.T) {
	s := newShop(t, 100)
	h := s.must(opAdd, ImageNames{})
	s.refused(opDelete, named("p", "a"), account.MeteringUnavailable)
	ctx, leave := context.WithCancel(t.Context())
	gone := s.queued(ctx, opDelete, named("p", "a"), time.Minute)
	behind := s.queued(t.Context(), opAdd, ImageNames{}, time.Minute)
	waits(t, "an unknown add behind it", behind)
	leave()
	if v := <-gone; v.Reason != account.MeteringUnavailable {
		t.Errorf("the client has left: %s", v.Reason)
	}
	runs(t, "the add behind it", behind)
	s.Post(&h)
}

// TestOrderOfChanges: whatever the interleaving, the ledger's set is what the
// upstream has.
func TestOrderOfChanges(t *testing.T) {
	s := newShop(t, 3)
	var upstream sync.Map
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 150 {
				product, picture := fmt.Sprint("p", (worker+i)%2), fmt.Sprint((worker*i)%3)
				n, op := named(product, picture), uint16(opAdd)
				if i%3 == 0 {
					op = opDelete
				}
				h, v := s.Admit(Call{Key: s.key, Operation: op, Images: true})
				if v.Reason != 0 {
					continue
				}
				known := n
				if worker%2 == 0 && op == opAdd && !h.NeedsNames() {
					known = ImageNames{}
				}
				if s.Ready(t.Context(), &h, &v, known, time.Minute); v.Reason != 0 {
					continue
				}
				s.Name(&h, n)
				if i%5 == 0 {
					s.Release(&h, account.FailedStatus)
					continue
				}
				if op == opAdd {
					upstream.Store(product+"/"+picture, account.Image{Account: 1, Instance: 3, Product: n.Product.Hash, Picture: n.Picture.Hash})
				} else {
					upstream.Delete(product + "/" + picture)
				}
				s.Post(&h)
				if images, _ := s.set.count(); images > 3 {
					t.Errorf("%d images of 3", images)
				}
			}
		})
	}
	all.Wait()
	var there []account.Image
	upstream.Range(func(_, v any) bool { there = append(there, v.(account.Image)); return true })
	if len(there) != len(s.set.images) || slices.ContainsFunc(there, func(i account.Image) bool { return !s.set.images[i] }) {
		t.Errorf("the upstream has %d images, the ledger %d", len(there), len(s.set.images))
	}
	s.holds(len(there), 0, 0)
}

// TestDoubt: a call of which nobody knows is not counted, and its image occupies
// a place, also while the ledger cannot be told and after a restart.
func TestDoubt(t *testing.T) {
	s := newShop(t, 2)
	h := s.must(opAdd, named("p", "a"))
	s.Doubt(&h, account.FailedStatus)
	s.holds(0, 1, 0)
	if n := s.images.log.Len(); n != 0 {
		t.Errorf("%d intents are open", n)
	}
	h = s.must(opAdd, named("p", "b"))
	s.set.fail(true)
	s.Doubt(&h, account.FailedStatus)
	s.holds(0, 2, 0)
	if n := s.images.log.Len(); n != 1 {
		t.Errorf("%d intents are open while the ledger fails, want 1", n)
	}
	s.set.fail(false)
	s.refused(opAdd, named("p", "c"), account.ImageCapacity)
	s.holds(0, 2, 0)
}
