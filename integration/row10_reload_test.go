package integration

import (
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// TestRow10Reload changes the configuration again and again, every third time to
// one that is refused, under clients that keep their connections and clients that
// open one for every call. Nobody may notice (D4, D27).
//
// The kernel resets connections that a closing listener has not accepted yet,
// idle ones are closed, and a server of a refused configuration may have taken
// some: clients send again what got no answer or 503. Each call must have
// reached the upstream once, so nothing that ran was cut off.
func TestRow10Reload(t *testing.T) {
	row := newRow(t, 10, "reloads under load", 30, 200)
	log := filepath.Join(t.TempDir(), "admissions")
	other := strings.Replace(rigBook, "price: 0.60", "price: 0.61", 1)
	foreign := strings.Replace(rigBook, "currency: USD", "currency: CNY", 1)
	r := newRig(t, harness.Config{Binary: harness.AdmissionLogBinary(t), Env: []string{"TALLYGATE_ADMISSION_LOG=" + log},
		Files: map[string]string{"other.yaml": other, "foreign.yaml": foreign, "broken.yaml": "currency: [", "refused.yaml": rigBook + "\n# refused\n"}}, nil)
	r.start()
	r.open("steady", "1000.00")
	r.open("limited", "1000.00")
	r.subscribe("limited", "s2500k-5")

	work := newReloadTraffic(r)
	began := time.Now()
	refused := r.reloads(row, work)
	took := time.Since(began)
	work.end()

	arrived := r.arrived()
	work.check(row, arrived)
	limit := rate{"search/search", "s2500k-5", 5}
	stamps := readAdmissions(t, log)[2]
	limit.checkWindow(t, stamps)
	if least := limit.limit * int(took/time.Second-1); len(stamps) < least {
		row.fault(t, "%d limited calls in %v, want at least %d", len(stamps), took, least)
	}
	limit.checkAnswers(t, r, "limited", work.limited.answers, stamps, arrived)
	r.refuseLate() // and then comes no other
	unanswered, unavailable := work.resent()
	row.note("%d of them refused, %d calls, %d sent again without an answer and %d after 503", refused,
		len(work.steady.answers)+len(work.limited.answers), unanswered, unavailable)
	if err := r.Stop(); err != nil {
		row.fault(t, "%v", err)
	}
	r.checkInputs(row)
	row.end()
}

// reloads makes them, and finds one ledger handle after each and nothing that
// grows. It returns how many were refused.
func (r *rig) reloads(row *row, work *reloadTraffic) (refused int) {
	r.t.Helper()
	var before growth
	for i := range row.rounds {
		work.await(row.t, 300)
		if i%3 == 2 {
			r.refuseReload(i / 3)
			refused++
		} else {
			r.acceptReload(i)
		}
		if i == 5 {
			before = r.growth()
		}
		if n := r.handles("journal/LOCK"); n != 1 {
			row.fault(r.t, "the ledger is open %d times after reload %d", n, i+1)
		}
	}
	if row.rounds <= 5 {
		return refused
	}
	eventually(r.t, "open files and goroutines of earlier configurations are gone", 20*time.Second, func() bool {
		after := r.growth()
		return after.files <= before.files+10 && after.goroutines <= before.goroutines+20
	})
	return refused
}

// reloadTraffic is the clients that call while the configuration changes.
type reloadTraffic struct {
	*rig
	steady, limited sightings
	done            atomic.Bool
	made            atomic.Int64
	clients         sync.WaitGroup
	customers       []*customer
}

// check: every call succeeded, reached the upstream once, and is counted once.
func (w *reloadTraffic) check(row *row, arrived map[string]int) {
	r := w.rig
	r.t.Helper()
	for _, a := range w.steady.answers {
		switch n := arrived[a.id]; {
		case !a.ok():
			row.fault(r.t, "call %s failed: status %d %s (%v), %d times at the upstream", a.id, a.status, a.body, a.err, n)
		case n == 0:
			row.lose(r.t, 1, "call %s succeeded, and never reached the upstream", a.id)
		case n > 1:
			row.double(r.t, n-1, "call %s reached the upstream %d times", a.id, n)
		}
	}
	r.settle()
	calls := len(w.steady.answers)
	counted, served := int(r.usage("steady").counted()["recognition/image-tagging"]), r.served("steady", "recognition/image-tagging")
	switch {
	case counted < calls:
		row.lose(r.t, calls-counted, "%d calls succeeded, %d are counted, %d served", calls, counted, served)
	case counted > calls || served > calls:
		row.double(r.t, max(counted, served)-calls, "%d calls succeeded, %d are counted, %d served", calls, counted, served)
	}
}

// resent is how often clients sent again, because nothing or a 503 came.
func (w *reloadTraffic) resent() (unanswered, unavailable int64) {
	for _, c := range w.customers {
		unanswered += c.unanswered.Load()
		unavailable += c.unavailable.Load()
	}
	return unanswered, unavailable
}

func newReloadTraffic(r *rig) *reloadTraffic {
	w := &reloadTraffic{rig: r}
	run := func(c *customer, into *sightings) {
		w.customers = append(w.customers, c)
		w.clients.Go(func() {
			defer c.http.CloseIdleConnections()
			for !w.done.Load() {
				into.note(c.call())
				w.made.Add(1)
			}
		})
	}
	for _, keep := range []bool{true, true, false} {
		pool := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 4, DisableKeepAlives: !keep}}
		run(&customer{site: r.URL(), account: "steady", operation: "recognition/image-tagging", http: pool, again: true}, &w.steady)
		run(&customer{site: r.URL(), account: "limited", operation: "search/search", http: pool, again: true}, &w.limited)
	}
	return w
}

// await lets some calls pass.
func (w *reloadTraffic) await(t *testing.T, calls int64) {
	t.Helper()
	before := w.made.Load()
	eventually(t, "calls between two reloads", time.Minute, func() bool { return w.made.Load() >= before+calls })
}

func (w *reloadTraffic) end() {
	w.done.Store(true)
	w.clients.Wait()
}

// with renders the configuration with other variables.
func (r *rig) with(vars map[string]any, replace ...string) error {
	kept := make(map[string]any)
	for name, value := range vars {
		kept[name], r.Vars[name] = r.Vars[name], value
	}
	defer func() {
		for name, value := range kept {
			r.Vars[name] = value
		}
	}()
	return r.Reload(strings.NewReplacer(replace...).Replace(r.site))
}

// acceptReload makes a change that can be taken over.
func (r *rig) acceptReload(i int) {
	r.t.Helper()
	vars := map[string]any{
		"flush":   []string{"1s", "5s", "1h", "2s"}[i%4],
		"arrears": []string{"15d", "16d", "15d"}[i%3],
		"book":    []string{"pricebook.yaml", "other.yaml"}[i/10%2],
	}
	if err := r.with(vars); err != nil {
		r.t.Fatalf("reload %d: %v", i, err)
	}
}

// refuseReload makes a change that cannot be taken over, for one of several
// reasons. Whatever else is in it must not come into force: its limits and
// lengths are such that it would show.
func (r *rig) refuseReload(i int) {
	r.t.Helper()
	vars := map[string]any{"mode": "observe", "arrears": "77d", "flush": "30m", "book": "refused.yaml"}
	const options, site = "admin ", "http://{{.HTTP}} {"
	replace := []string{}
	kind := []string{"port", "operation", "port", "book", "port", "zone", "port", "folder", "port", "currency", "syntax", "broken book"}[i%12]
	switch kind {
	case "port": // may come to light after our app started
		taken := r.occupy()
		replace = []string{site, "http://" + taken + " {\n\trespond hello\n}\n" + site}
	case "operation":
		vars["third"] = "recognition/nothing"
	case "book":
		vars["book"] = "nothing.yaml"
	case "zone":
		vars["timezone"] = "+05:00"
	case "folder":
		replace = []string{"./ledger", "./elsewhere"}
	case "currency":
		vars["book"] = "foreign.yaml"
	case "syntax":
		replace = []string{"mode {{", "model {{"}
	case "broken book":
		vars["book"] = "broken.yaml"
	}
	var refused *harness.Refused
	if err := r.with(vars, replace...); !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
		r.t.Fatalf("reload %d (%s): %v, want a refusal", i, kind, err)
	}
}

// refuseLate loads a configuration that is refused when all of it has started:
// it says where to get another one, and that fails.
func (r *rig) refuseLate() {
	r.t.Helper()
	var config map[string]any
	r.api(harness.Request{Path: "/config/"}, &config)
	app := config["apps"].(map[string]any)["tallygate"].(map[string]any)
	app["arrears"], app["pricebook"] = map[string]any{"grace": "1848h"}, "./refused.yaml"
	config["admin"].(map[string]any)["config"] = map[string]any{"load": map[string]any{"module": "http", "url": "http://" + r.occupy(), "timeout": "1ms"}}
	var refused *harness.Refused
	if err := r.API(harness.Request{Path: "/load", Body: config}, nil); !errors.As(err, &refused) || !strings.Contains(refused.Body, "dynamic config") {
		r.t.Fatalf("a configuration whose loader fails: %v", err)
	}
}

// occupy listens on a port for the rest of the test.
func (r *rig) occupy() string {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}
