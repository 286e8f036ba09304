package integration

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

const reloads = 50

// TestReloadUnderTraffic changes the configuration again and again, every third
// time to one that is refused, under clients that keep their connections and
// clients that open one for every call. Nobody may notice (D4, D27).
//
// The kernel resets connections that a closing listener has not accepted yet,
// idle ones are closed, and a server of a refused configuration may have taken
// some: clients send again what got no answer or 503. Each call must have
// reached the upstream once, so nothing that ran was cut off.
func TestReloadUnderTraffic(t *testing.T) {
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
	limit := rate{"search/search", "s2500k-5", 5}
	began := time.Now()
	var before growth
	for i := range reloads {
		work.await(t, 300)
		if i%3 == 2 {
			r.refuseReload(i / 3)
		} else {
			r.acceptReload(i)
		}
		if i == 5 {
			before = r.growth()
		}
	}
	took := time.Since(began)
	work.end()
	if n := r.growth().locks; n != before.locks {
		t.Errorf("%d lock files are open, %d before", n, before.locks)
	}
	eventually(t, "open files and goroutines of earlier configurations are gone", 20*time.Second, func() bool {
		after := r.growth()
		return after.files <= before.files+10 && after.goroutines <= before.goroutines+20
	})

	steady, limited := work.steady.answers, work.limited.answers
	arrived := r.arrived()
	for _, a := range steady {
		if !a.ok() || arrived[a.id] != 1 {
			t.Fatalf("call %s: status %d %s (%v), %d times at the upstream", a.id, a.status, a.body, a.err, arrived[a.id])
		}
	}
	stamps := readAdmissions(t, log)[2]
	limit.checkWindow(t, stamps)
	if least := limit.limit * int(took/time.Second-1); len(stamps) < least {
		t.Errorf("%d limited calls in %v, want at least %d", len(stamps), took, least)
	}
	limit.checkAnswers(t, r, "limited", limited, stamps, arrived)
	r.settle()
	counted, served := r.usage("steady").counted()["recognition/image-tagging"], r.served("steady", "recognition/image-tagging")
	if int(counted) != len(steady) || served != len(steady) {
		t.Errorf("%d calls succeeded, %d were counted, %d served", len(steady), counted, served)
	}
	r.refuseLate() // and then comes no other
	unanswered, unavailable := work.resent()
	t.Logf("%d and %d calls over %d reloads in %v; sent again: %d without an answer, %d after 503", len(steady), len(limited),
		reloads, took, unanswered, unavailable)
	if err := r.Stop(); err != nil {
		t.Error(err)
	}
	r.checkInputs()
}

// reloadTraffic is the clients that call while the configuration changes.
type reloadTraffic struct {
	steady, limited sightings
	done            atomic.Bool
	made            atomic.Int64
	clients         sync.WaitGroup
	customers       []*customer
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
	w := new(reloadTraffic)
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

// growth is what must not grow with every reload.
type growth struct{ files, locks, goroutines int }

func (r *rig) growth() growth {
	r.t.Helper()
	g := growth{goroutines: r.metric("go_goroutines")}
	dir := fmt.Sprintf("/proc/%d/fd", r.PID())
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		g.files++
		if strings.HasSuffix(target, "LOCK") {
			g.locks++
		}
	}
	return g
}

// metric reads a metric without labels from the admin endpoint.
func (r *rig) metric(name string) int {
	r.t.Helper()
	response, err := http.Get("http://" + r.Admin + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	for line := range linesOf(r.t, response.Body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				r.t.Fatalf("metric %s: %v", name, err)
			}
			return int(n)
		}
	}
	r.t.Fatalf("there is no metric %s", name)
	return 0
}
