package integration

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tallygate/tallygate/integration/upstream"
)

const imageCap = 20 // of 48 pictures that are added

// imageTraffic is clients who add, overwrite and delete while the gateway is
// killed. After every start the ledger's images and the uncertain ones are no
// fewer than the upstream's, which never pass the cap; what is uncertain is told
// of, and no more than the calls that got no answer; reconciled with the
// upstream's list, the images are those, exactly (D28). Counts of calls lie
// between what clients saw and what the upstream did (D2).
type imageTraffic struct {
	*shelf
	gate    *gate
	chance  *rand.Rand
	stop    chan struct{}
	once    sync.Once
	clients sync.WaitGroup
	answers atomic.Int64
	running atomic.Int64 // calls
	row     *row         // that counts what differs; may be nil

	mu       sync.Mutex
	seen     map[string]int64 // successes that a client saw whole, by operation
	unknown  map[string]int64 // calls that may have reached the gateway and got no whole answer
	refused  int
	products int // deletes of products without an answer, since the last reconciliation

	uncertain, settled, added, removed int
	unanswered                         int64 // up to the kill before
	interrupts                         int   // recoveries that were killed, too
	off                                map[string]off
}

// imageSlowness is where a kill finds a call: before the upstream does it, after,
// and in the middle of the answer.
var imageSlowness = []string{"", "", "delay=3ms", "delay=25ms", "slow-body=20ms", "chunked,slow-body=10ms", "status=500,delay=5ms", "error-in-200,delay=5ms"}

func newImageTraffic(s *shelf, seed uint64) *imageTraffic {
	w := &imageTraffic{shelf: s, gate: newGate(), chance: rand.New(rand.NewPCG(seed, 0)), stop: make(chan struct{}),
		seen: map[string]int64{}, unknown: map[string]int64{}, off: map[string]off{}}
	for n := range uint64(8) {
		chance := rand.New(rand.NewPCG(seed, n+1))
		w.clients.Go(func() { w.run(chance, connections()) })
	}
	return w
}

func (w *imageTraffic) end() {
	w.once.Do(func() {
		close(w.stop)
		w.clients.Wait()
	})
}

// run calls whenever the gateway runs.
func (w *imageTraffic) run(chance *rand.Rand, client *http.Client) {
	defer client.CloseIdleConnections()
	w.gate.through(w.stop, &w.running, func() { w.one(chance, client) })
}

// one makes a call.
func (w *imageTraffic) one(chance *rand.Rand, client *http.Client) {
	operation, path, name := toAdd, "/v2/image/add", fmt.Sprint("picture ", chance.IntN(12))
	if n := chance.IntN(10); n > 5 {
		if operation, path = toDelete, "/v2/image/delete"; n == 9 {
			name = "" // the whole product
		}
	}
	body := form("InstanceName", w.instance, "PicContent", inBase64, "PicName", name, "ProductId", fmt.Sprint("product ", chance.IntN(4)))
	w.note(operation, name == "", w.send(client, path, body, pick(chance, imageSlowness...)))
	if n := w.up.Images(w.instance); n > imageCap {
		w.t.Errorf("the upstream holds %d images", n)
	}
}

func (w *imageTraffic) send(client *http.Client, path, body, fault string) (a sight) {
	request, err := http.NewRequest(http.MethodPost, w.URL()+path, strings.NewReader(body))
	if err != nil {
		return sight{err: err}
	}
	request.Header = http.Header{"Content-Type": {formType}, "X-Api-Key": {w.key}, "X-Sample-Fault": {fault}}
	response, err := client.Do(request)
	if err != nil {
		return sight{err: err}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return sight{status: response.StatusCode, body: string(text), err: err}
}

func (w *imageTraffic) note(operation string, product bool, a sight) {
	if errors.Is(a.err, syscall.ECONNREFUSED) { // killed: the gate is about to be shut
		time.Sleep(time.Millisecond)
		return
	}
	w.answers.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case a.err != nil:
		w.unknown[operation]++
		if product {
			w.products++
		}
	case a.status == http.StatusOK && strings.Contains(a.body, `"Success":true`):
		w.seen[operation]++
	case a.status == http.StatusForbidden && strings.Contains(a.body, "image-capacity"):
		w.refused++
	case a.status == http.StatusOK, a.status == http.StatusInternalServerError: // as it was asked to
	default:
		w.t.Errorf("%s: status %d: %s", operation, a.status, a.body)
	}
}

// rest shuts the gate and waits for what is in flight.
func (w *imageTraffic) rest() {
	w.t.Helper()
	w.gate.shut()
	eventually(w.t, "nothing is in flight", 20*time.Second, func() bool { return w.running.Load() == 0 && w.up.Busy() == 0 })
}

// told is how many images of unknown outcome the log tells of.
func (w *imageTraffic) told() int {
	return strings.Count(w.Log(), "an add or a delete may have happened")
}

// check holds images and calls against each other; nothing is in flight. A
// recovery that was killed may list an image again, and not have told of it.
func (w *imageTraffic) check(when string) {
	w.t.Helper()
	up, ledger := w.up.Images(w.instance), w.images()
	w.mu.Lock()
	defer w.mu.Unlock()
	fresh := ledger.Uncertain - w.uncertain
	unanswered := w.unknown[toAdd] + w.unknown[toDelete]
	switch {
	case up > ledger.Images+ledger.Uncertain:
		w.row.lose(w.t, up-ledger.Images-ledger.Uncertain, "%s: images: the upstream holds %d, the ledger %d and %d uncertain", when, up, ledger.Images, ledger.Uncertain)
	case up > imageCap, ledger.Images > imageCap:
		w.row.fault(w.t, "%s: the upstream holds %d images, the ledger %d and %d uncertain", when, up, ledger.Images, ledger.Uncertain)
	case int64(fresh) > (unanswered-w.unanswered)*int64(1+w.interrupts) || fresh < 0:
		w.row.fault(w.t, "%s: %d images more are uncertain, and %d calls got no answer", when, fresh, unanswered-w.unanswered)
	case w.told() > w.settled+ledger.Uncertain || w.told() < w.settled+ledger.Uncertain-w.interrupts:
		w.row.fault(w.t, "%s: %d images are uncertain, %d were; the log tells of %d", when, ledger.Uncertain, w.settled, w.told())
	}
	w.uncertain, w.unanswered = ledger.Uncertain, unanswered
	w.checkCalls(when)
}

func (w *imageTraffic) checkCalls(when string) {
	w.t.Helper()
	counted := w.usage(w.account).counted()
	truth, err := upstream.ReadTally(w.truth, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range []string{toAdd, toDelete} {
		n, seen, did := int(counted[o]), int(w.seen[o]), truth.Success[o]
		before, now := w.off[o], off{lost: seen - n, doubled: n - min(did, seen+int(w.unknown[o]))}
		const text = "%s: %s: clients saw %d successes, %d are counted, the upstream did %d; %d got no answer"
		if now.lost > before.lost {
			w.row.lose(w.t, now.lost-before.lost, text, when, o, seen, n, did, w.unknown[o])
		}
		if now.doubled > before.doubled {
			w.row.double(w.t, now.doubled-before.doubled, text, when, o, seen, n, did, w.unknown[o])
		}
		w.off[o] = off{max(now.lost, before.lost), max(now.doubled, before.doubled)}
	}
}

// reconcileImages gives the gateway the upstream's list, and agrees.
func (w *imageTraffic) reconcileImages() {
	w.t.Helper()
	got, text := w.reconcileWithUpstream()
	up, ledger := w.up.Images(w.instance), w.images()
	if ledger.Images != up || ledger.Uncertain != 0 || got.Images != up || got.Settled != w.uncertain {
		w.row.fault(w.t, "reconciled: %s; the upstream holds %d images, the ledger %+v; %d were uncertain", text, up, ledger, w.uncertain)
	}
	// What differed is what was uncertain: an add each, and a product has 12 pictures.
	if most := w.uncertain + 11*w.products; got.Added > w.uncertain || got.Removed > most {
		w.row.fault(w.t, "reconciling added %d and removed %d images, of %d uncertain", got.Added, got.Removed, w.uncertain)
	}
	events := w.events("images-reconciled")
	want := fmt.Sprintf("%d added, %d removed, %d uncertain settled, %d held: in a test", got.Added, got.Removed, got.Settled, up)
	if len(events) == 0 || events[len(events)-1].Text != want || events[len(events)-1].Subject != "instance:products" {
		w.row.fault(w.t, "audit events %+v, want at last %q", events, want)
	}
	w.settled, w.added, w.removed = w.settled+got.Settled, w.added+got.Added, w.removed+got.Removed
	w.uncertain, w.products = 0, 0
}
