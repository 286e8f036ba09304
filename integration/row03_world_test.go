package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// powered is traffic through a gateway whose power is cut.
type powered struct {
	*killTraffic
	row     *row
	disk    powerDisk
	control string // the orders to failpoints
	images  *powerImages
	boots   int

	base         map[what]int  // counted when the present run began
	servedBefore map[what]int  // by the upstream, then
	repeated     int           // payments that were asked for again
	gone         int           // calls that a client saw succeed, and that a cut took
	uncertain    int           // images, in all rounds
	oldest       time.Duration // before a cut, the beginning of the last acknowledged sync
	ran          time.Duration // in all rounds
	syncs        int           // acknowledged in them, of any counter file
}

// heldImages lets the rig's gateway know which pictures an instance holds.
const heldImages = `instance search/* form InstanceName
		images search/* {
			product form ProductId
			picture form PicName
			buffer 1MiB
			wait 5s
		}`

func (w *powered) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *powered) lose(n int, format string, args ...any) {
	w.t.Helper()
	w.row.lost += n
	w.t.Errorf(format, args...)
}

func (w *powered) wrong(format string, args ...any) {
	w.t.Helper()
	w.row.wrong++
	w.t.Errorf(format, args...)
}

// traffic starts the customers, those who pay, and those who add and delete.
func (w *powered) traffic() {
	w.open("mixed", "2000.00")
	w.open("plain", "2000.00")
	w.open("search", "2000.00")
	w.api(harness.Request{Path: "/tallygate/accounts/search/rows", Header: once("row"), Body: map[string]any{"row": "large",
		"max_images": 1000, "qps": map[string]any{"search": 100_000, "delete": 100_000}, "price": "1.00"}}, nil)
	w.subscribe("search", "large")
	w.api(harness.Request{Path: "/tallygate/accounts/mixed/packages", Header: once("first package"), Body: map[string]any{"package": "tagging-300"}}, nil)
	for _, c := range []*customer{
		{account: "mixed", operation: "recognition/image-tagging"},
		{account: "mixed", operation: "recognition/media-tagging", fault: "slow-body=20ms"},
		{account: "plain", operation: "recognition/media-tagging"},
		{account: "plain", operation: "recognition/image-tagging", fault: "chunked,delay=3ms"},
		{account: "plain", operation: "recognition/image-tagging", fault: "error-in-200,delay=10ms", fails: true},
	} {
		c.site, c.http = w.URL(), connections()
		w.clients.Go(func() { w.run(c) })
	}
	w.pay()
	for n := range uint64(3) {
		chance := rand.New(rand.NewPCG(w.row.seed, 100+n))
		w.clients.Go(func() { w.images.run(fmt.Sprint("product ", n), chance) })
	}
}

// rest waits until nothing is in flight after a kill.
func (w *powered) rest() {
	w.gate.shut()
	w.images.gate.shut()
	eventually(w.t, "nothing is in flight", 20*time.Second, func() bool {
		return w.running.Load() == 0 && w.images.running.Load() == 0 && w.up.Busy() == 0
	})
}

// covered is the instant before which every call that was answered is durable:
// when the last acknowledged sync of that counter file began for which this is
// longest ago. A file that is gone was sealed and journalled before.
func (w *powered) covered(cut time.Time) time.Time {
	w.t.Helper()
	since := map[string]int64{}
	text, err := os.ReadFile(filepath.Join(w.disk.shadow(), "since.jsonl"))
	w.must(err)
	for line := range strings.Lines(string(text)) {
		var l struct {
			Path  string
			Since int64
		}
		if json.Unmarshal([]byte(line), &l) != nil { // the last one, at a kill
			continue
		}
		since[l.Path] = l.Since
		w.syncs++
	}
	oldest := cut
	files, err := filepath.Glob(filepath.Join(w.disk.folder(), "ledger", "tally", "*.tally"))
	w.must(err)
	for _, file := range files {
		rel, err := filepath.Rel(w.disk.folder(), file)
		w.must(err)
		if at, ok := since[rel]; ok && time.Unix(0, at).Before(oldest) { // else it was not open yet
			oldest = time.Unix(0, at)
		}
	}
	w.oldest = max(w.oldest, cut.Sub(oldest))
	return oldest
}

// syncInterval is the default.
const syncInterval = 100 * time.Millisecond

// check holds the gateway against what was acknowledged before the cut.
func (w *powered) check(when string, covered time.Time) {
	w.t.Helper()
	w.checkCounts(when, covered)
	w.checkPayments(when)
	w.checkImages(when)
	w.verified(when)
}

func (w *powered) checkCounts(when string, covered time.Time) {
	w.t.Helper()
	served := w.servedOf()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, account := range []string{"mixed", "plain", "search"} {
		counts := w.usage(account).counted()
		for operation := range rigPaths {
			id := what{account, operation}
			safe := 0
			for _, at := range w.times[id] {
				if !at.After(covered) {
					safe++
				}
			}
			fresh := int(counts[operation]) - w.base[id]
			if fresh < safe {
				w.lose(safe-fresh, "%s: %s %s: %d calls were answered before the last acknowledged sync, and %d of the %d in all are counted", when, account, operation, safe, fresh, len(w.times[id]))
			}
			if most := served[id] - w.servedBefore[id]; fresh > most {
				w.row.doubled += fresh - most
				w.t.Errorf("%s: %s %s: %d calls are counted, and the upstream served %d", when, account, operation, fresh, most)
			}
			w.gone += max(0, len(w.times[id])-fresh)
			w.base[id], w.servedBefore[id], w.times[id] = int(counts[operation]), served[id], nil
		}
	}
}

// checkPayments asks again for what was acknowledged since the last time: it is
// answered as it was, and nothing is done twice.
func (w *powered) checkPayments(when string) {
	w.t.Helper()
	w.payments.mu.Lock()
	fresh := slices.Clone(w.payments.done[w.repeated:])
	w.repeated += len(fresh)
	w.payments.mu.Unlock()
	for _, p := range fresh {
		var again map[string]any
		if err := w.API(p.request, &again); err != nil || fmt.Sprint(again) != p.answer {
			w.lose(1, "%s: %v: answered with %s, and after the cut with %v (%v)", when, p.request.Header, p.answer, again, err)
		}
	}
}

// checkImages: what the ledger and the upstream's list differ by are calls
// without an answer, and each is uncertain.
func (w *powered) checkImages(when string) {
	w.t.Helper()
	var ledger held
	w.api(harness.Request{Path: "/tallygate/accounts/search/instances/" + w.images.instance() + "/images"}, &ledger)
	var list strings.Builder
	for _, p := range w.up.Pictures(w.images.instance()) {
		fmt.Fprintf(&list, "{\"product\":%q,\"picture\":%q}\n", p.Product, p.Name)
	}
	path := filepath.Join(w.t.(*testing.T).TempDir(), "upstream.ndjson")
	w.must(os.WriteFile(path, []byte(list.String()), 0o600))
	text, err := w.Command("images", "reconcile", "--address="+w.Admin, "--json", "--format=ndjson", "--reason=in a test", "--empty", "search", w.images.instance(), path)
	var got reconciled
	if err == nil {
		err = json.Unmarshal([]byte(text), &got)
	}
	if err != nil {
		w.t.Fatalf("%s: images reconcile: %v: %s", when, err, text)
	}
	differ, unanswered := got.Added+got.Removed, int(w.images.unanswered.Swap(0))
	if differ > unanswered {
		w.lose(differ-unanswered, "%s: %d pictures more at the upstream and %d fewer than in the ledger; %d calls got no answer", when, got.Added, got.Removed, unanswered)
	}
	if differ > ledger.Uncertain {
		w.lose(differ-ledger.Uncertain, "%s: %d pictures differ, and %d are uncertain", when, differ, ledger.Uncertain)
	}
	w.uncertain += ledger.Uncertain
}

// verified: the ledger follows from journal and sealed files.
func (w *powered) verified(when string) {
	w.t.Helper()
	failed := w.t.Failed()
	(&scene{Gateway: w.Gateway, t: w.t}).verified()
	if w.t.Failed() && !failed {
		w.wrong("%s: verify finds differences", when)
	}
}

// finish lets traffic run on after the last cut, and checks the bills.
func (w *powered) finish() {
	w.t.Helper()
	w.gate.open()
	w.images.gate.open()
	eventually(w.t, "money commands go on after the last cut", time.Minute, w.caughtUp())
	w.end()
	w.settle()
	w.check("in the end", time.Now())
	w.checkBills()
	w.must(w.Stop())
	if least := int(w.ran / syncInterval / 5); w.syncs < least { // a slow disk is no mistake of the gateway
		w.wrong("in %s the counters were synced %d times, want %d at least", w.ran, w.syncs, least)
	}
}

// powerImages are clients who add and delete pictures, each of a product of its
// own, one at a time.
type powerImages struct {
	*killTraffic
	gate       *gate
	running    atomic.Int64
	unanswered atomic.Int64 // since the last cut
	done       int          // changes that were acknowledged; under mu
}

func (*powerImages) instance() string { return "index-of-search" }

func (w *powerImages) run(product string, chance *rand.Rand) {
	client := connections()
	defer client.CloseIdleConnections()
	w.gate.through(w.stop, &w.running, func() { w.one(client, product, chance) })
}

func (w *powerImages) one(client *http.Client, product string, chance *rand.Rand) {
	c := customer{site: w.URL(), account: "search", operation: toAdd, http: client, fault: pick(chance, "", "delay=3ms", "slow-body=5ms", "delay=20ms")}
	if chance.IntN(3) == 0 {
		c.operation = toDelete
	}
	c.form = form("InstanceName", w.instance(), "PicContent", inBase64, "PicName", fmt.Sprint("picture ", chance.IntN(12)), "ProductId", product)
	a := c.call()
	id := what{c.account, c.operation}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case errors.Is(a.err, syscall.ECONNREFUSED):
	case a.err != nil:
		w.unanswered.Add(1)
		w.unknown[id]++
	case a.ok() && strings.Contains(a.body, `"Success":true`):
		w.seen[id]++
		w.times[id] = append(w.times[id], a.at)
		w.done++
	case w.dark.Load():
	default:
		w.t.Errorf("%s: status %d: %s", c.operation, a.status, a.body)
	}
	if a.err != nil {
		time.Sleep(5 * time.Millisecond)
	}
}
