package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const row6Start = "2026-11-30T20:10:00+08:00"

// newRow6 lets customers live for some days over the end of a month, through a
// stop, and kills the gateway in the middle of an hour and of an add.
func newRow6(t *testing.T) *row6 {
	t.Helper()
	clock, at := testClock(row6Start)
	s := newScene(t, "", clock, at)
	w := &row6World{scene: s, row6: &row6{book: shipped(t, "pricebook.yaml"), up: s.up.URL()}}
	shelf := w.november()
	w.december(shelf)
	w.killed(shelf)
	for _, part := range []string{".sst", ".mem", "MANIFEST", ".vlog", "/usage/", ".tally", ".side0", "images.intents", "/journal/", "anchor", "clock", "secret"} {
		if !w.files.has(part) {
			t.Fatalf("the folder has no file %s", part)
		}
	}
	w.ask()
	w.learn(t)
	return w.row6
}

type row6World struct {
	*scene
	*row6
	accounts []string
	keys     map[string]string
}

// paid is a command that is repeated in every round.
func (w *row6World) paid(path string, body any) {
	w.t.Helper()
	q := row6Question{path: path, body: body, key: fmt.Sprint("key ", len(w.asked))}
	if answer := q.ask(w.Gateway); len(answer) > 5 && answer[:5] == "error" {
		w.t.Fatal(path, answer)
	}
	w.asked = append(w.asked, q)
}

func (w *row6World) opened(id, amount string) {
	w.paid("/accounts", map[string]any{"account": id})
	w.paid("/accounts/"+id+"/topups", map[string]any{"amount": amount, "reference": "wire"})
	w.accounts = append(w.accounts, id)
	if w.keys == nil {
		w.keys = map[string]string{}
	}
	w.keys[id] = w.scene.key(id).Secret
}

func (w *row6World) calls(n int) {
	for _, id := range w.accounts {
		for range n {
			if a := w.call(tag(id, w.keys[id])); a.Status != 200 {
				w.t.Fatalf("call of %s: %d %s", id, a.Status, a.Body)
			}
		}
	}
}

func (w *row6World) november() *shelf {
	w.opened("acme", "100.00")
	w.opened("plain", "200.00")
	w.paid("/accounts/acme/packages", map[string]any{"package": "image-tagging-10k-1y"})
	shelf := w.scene.shelf("globex", "products", 12)
	w.calls(7)
	for n := range 5 {
		shelf.add("shoes", fmt.Sprint("picture-", n))
	}
	shelf.remove("shoes", "picture-1")
	w.settle()
	w.calls(3)
	w.advance("2026-12-01T00:30:00+08:00")
	return shelf
}

func (w *row6World) december(shelf *shelf) {
	w.calls(5)
	shelf.add("hats", "picture-1")
	w.settle()
	w.advance("2026-12-01T02:10:00+08:00")
	if err := w.Stop(); err != nil {
		w.t.Fatal(err)
	}
	w.restart()
	for n := range 70 { // a block and more
		w.do("POST", "/accounts", map[string]any{"account": fmt.Sprint("small-", n)}, nil)
	}
	w.opened("late", "50.00")
	w.calls(4)
	shelf.add("hats", "picture-2")
	w.advance("2026-12-01T04:10:00+08:00")
	if err := w.Stop(); err != nil { // tables over tables
		w.t.Fatal(err)
	}
	w.restart()
}

// killed leaves an open hour and an add whose outcome nobody knows.
func (w *row6World) killed(shelf *shelf) {
	w.paid("/accounts/plain/topups", map[string]any{"amount": "1.00", "reference": "last"})
	w.calls(6)
	w.settle()
	w.calls(9)
	intents := filepath.Join(w.Dir, "data", "ledger", "tally", "images.intents")
	before := contentOf(w.t, intents)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = shelf.with("delay=30s").Add(shelf.instance, "coats", "picture-1", onePicture)
	}()
	eventually(w.t, "the add is written down", time.Minute, func() bool { return !bytes.Equal(contentOf(w.t, intents), before) })
	w.anchored()
	w.Kill()
	<-gone
	w.files = readRow6(w.t.(*testing.T), w.Dir)
}

// anchored waits until the anchor and the side file have everything.
func (w *row6World) anchored() {
	var status struct {
		JournalHash string `json:"journal_hash"`
	}
	eventually(w.t, "the anchor follows", time.Minute, func() bool {
		w.do("GET", "/status", nil, &status)
		text, err := os.ReadFile(filepath.Join(w.Dir, "data", "anchor.json"))
		return err == nil && strings.Contains(string(text), status.JournalHash)
	})
}

func contentOf(t testing.TB, path string) []byte {
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// ask lists what is asked in every round.
func (w *row6World) ask() {
	get := func(open bool, format string, args ...any) {
		w.asked = append(w.asked, row6Question{path: fmt.Sprintf(format, args...), open: open})
	}
	get(false, "/accounts")
	get(false, "/releases")
	get(false, "/pricebook")
	get(false, "/accounts/globex/instances/products/images")
	for _, id := range append(w.accounts, "globex", "small-69") {
		get(true, "/accounts/%s", id)
		get(true, "/accounts/%s/usage", id)
		get(false, "/accounts/%s/events", id)
		get(false, "/accounts/%s/statements", id)
	}
	for _, id := range []string{"acme", "plain", "globex"} {
		get(false, "/accounts/%s/statements/2026-11", id)
	}
	get(false, "/accounts/plain/statements/2026-11/replay?operation=recognition/image-tagging")
}
