package integration

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
	"github.com/tallygate/tallygate/integration/upstream"
)

// rig is a gateway under load: tests of this file's kind count calls by the
// thousand, so they use plain requests whose answers the upstream has ready.
type rig struct {
	*harness.Gateway
	t     testing.TB
	up    *upstream.Server
	truth string // the upstream's log
	site  string // the Caddyfile, a template
}

const rigCaddyfile = `{
	{{.Options}}
	grace_period {{.Vars.grace}}
	tallygate {
		ledger         {{.Vars.disk}}./ledger
		pricebook      ./{{.Vars.book}}
		timezone       {{.Vars.timezone}}
		anchor         {{.Vars.disk}}./{{.Vars.anchor}}
		flush_interval {{.Vars.flush}}
		arrears {
			grace {{.Vars.arrears}}
		}
	}
	log default {
		exclude http.handlers.reverse_proxy
	}
}
http://{{.HTTP}} {
	meter {
		mode {{.Vars.mode}}
		key header X-Api-Key
		operation recognition/image-tagging     POST /v2/{project_id}/image/tagging
		operation recognition/media-tagging     POST /v2/{project_id}/image/media-tagging
		operation {{.Vars.third}} POST /v2/{project_id}/image/celebrity-recognition
		operation search/search                 POST /v2/image/search
		operation search/add                    POST /v2/image/add
		operation search/delete                 POST /v2/image/delete
		{{.Vars.images}}
		success recognition/* {
			status 2xx
			member error_code absent
		}
		success search/* {
			status 2xx
			member Success not false
			member Code absent or 0
		}
	}
	reverse_proxy {{.Upstream}} {
		transport http {
			keepalive 2s
		}
	}
}
`

// rigPrices are those of rigBook.
var rigPrices = prices{
	"recognition/image-tagging":         {{400, "0.0033"}, {1500, "0.00271"}, {0, "0.00113"}},
	"recognition/media-tagging":         {{100, "0.00125"}, {0, "0.0007"}},
	"recognition/celebrity-recognition": {{0, "0.006"}},
}

// rigBook has few enough free calls and short enough tiers for a test to pass
// through all of them, and rates for operations of both kinds.
const rigBook = `currency: USD
pay_per_use:
  - operations: [recognition/image-tagging]
    free_per_month: 150
    tiers:
      - {up_to: 400,  price: 0.0033}
      - {up_to: 1500, price: 0.00271}
      - {             price: 0.00113}
  - operations: [recognition/media-tagging]
    tiers:
      - {up_to: 100, price: 0.00125}
      - {            price: 0.0007}
  - operations: [recognition/celebrity-recognition]
    qps: 20
    tiers:
      - {price: 0.006}
packages:
  - {id: tagging-300, operation: recognition/image-tagging, calls: 300, valid: 1mo, price: 0.60}
subscriptions:
  - service: search
    operations:
      search/search: search
      search/add: add
      search/delete: delete
    delete_qps: 20
    rows:
      - {id: s100k-1,   images: 100_000,   qps: 1,  price: 300.00}
      - {id: s2500k-5,  images: 2_500_000, qps: 5,  price: 800.00}
      - {id: s2500k-10, images: 2_500_000, qps: 10, price: 1500.00}
`

// rigPaths are where the rig's site serves an operation to an account.
var rigPaths = map[string]string{
	"recognition/image-tagging":         "/v2/p/image/tagging",
	"recognition/media-tagging":         "/v2/p/image/media-tagging",
	"recognition/celebrity-recognition": "/v2/p/image/celebrity-recognition",
	"search/search":                     "/v2/image/search",
	"search/add":                        "/v2/image/add",
	"search/delete":                     "/v2/image/delete",
}

// newRig prepares a gateway and its upstream; vars replace the defaults below.
func newRig(t testing.TB, config harness.Config, vars map[string]any) *rig {
	t.Helper()
	truth := filepath.Join(t.TempDir(), "truth.jsonl")
	up, err := upstream.Start(upstream.Config{Truth: truth})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := up.Close(); err != nil {
			t.Errorf("closing the upstream: %v", err)
		}
	})
	all := map[string]any{"grace": "10s", "book": "pricebook.yaml", "timezone": quietZone(), "flush": "1h",
		"arrears": "15d", "mode": "enforce", "disk": "", "anchor": "anchor.json", "images": "", "third": "recognition/celebrity-recognition"}
	for name, value := range vars {
		all[name] = value
	}
	config.Caddyfile, config.Upstream, config.Vars = cmp.Or(config.Caddyfile, rigCaddyfile), up.URL(), all
	files := map[string]string{"pricebook.yaml": rigBook}
	for name, text := range config.Files {
		files[name] = text
	}
	config.Files = files
	return &rig{Gateway: harness.New(t, config), t: t, up: up, truth: truth, site: config.Caddyfile}
}

// quietZone is a billing zone in which no month ends during the test.
func quietZone() string {
	east := time.FixedZone("", 8*3600)
	if now := time.Now().In(east); now.Month() == now.Add(4*time.Hour).Month() {
		return "+08:00"
	}
	return "+00:00"
}

func (r *rig) start() {
	r.t.Helper()
	if err := r.Start(); err != nil {
		r.t.Fatal(err)
	}
}

// api calls the admin API and fails the test where it refuses.
func (r *rig) api(request harness.Request, out any) {
	r.t.Helper()
	if err := r.API(request, out); err != nil {
		r.t.Fatalf("%s: %v", request.Path, err)
	}
}

// once is the header of a command that must not be done twice.
func once(key string) http.Header { return http.Header{"Idempotency-Key": {key}} }

// open creates an account with money and the API key that has its name.
func (r *rig) open(account, money string) {
	r.t.Helper()
	r.api(harness.Request{Path: "/tallygate/accounts", Body: map[string]any{"account": account}}, nil)
	r.api(harness.Request{Path: "/tallygate/accounts/" + account + "/keys",
		Body: map[string]any{"kind": "secret", "value": "key of " + account}}, nil)
	r.api(harness.Request{Path: "/tallygate/accounts/" + account + "/topups", Header: once("opening " + account),
		Body: map[string]any{"amount": money, "reference": "opening"}}, nil)
}

func (r *rig) subscribe(account, row string) {
	r.t.Helper()
	r.api(harness.Request{Path: "/tallygate/accounts/" + account + "/subscriptions", Header: once("term " + account),
		Body: map[string]any{"instance": "index-of-" + account, "row": row}}, nil)
}

// settle ends the open period, so that all that is counted is in the ledger.
func (r *rig) settle() {
	r.t.Helper()
	r.api(harness.Request{Method: http.MethodPost, Path: "/tallygate/settle"}, nil)
}

func (r *rig) usage(account string) (u usage) {
	r.t.Helper()
	r.api(harness.Request{Path: "/tallygate/accounts/" + account + "/usage"}, &u)
	return u
}

func (r *rig) statement(account, month string) (st statement) {
	r.t.Helper()
	r.api(harness.Request{Path: "/tallygate/accounts/" + account + "/statements/" + month}, &st)
	return st
}

// served is how often the upstream succeeded for an account with an operation;
// request ids begin with the account.
func (r *rig) served(account, operation string) int {
	r.t.Helper()
	tally, err := upstream.ReadTally(r.truth, func(e upstream.Entry) bool {
		return strings.HasPrefix(e.RequestID, account+"#")
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return tally.Success[operation]
}

// arrived are the request ids that reached the upstream, and how often.
func (r *rig) arrived() map[string]int {
	r.t.Helper()
	ids := make(map[string]int)
	for e, err := range upstream.Truth(r.truth) {
		if err != nil {
			r.t.Fatal(err)
		}
		ids[e.RequestID]++
	}
	return ids
}

// customer is one client program: it calls one operation for one account.
type customer struct {
	site      string
	account   string
	operation string
	fault     string // more words for the upstream
	fails     bool   // the fault makes a failure of the call
	form      string // sent in place of a canned call
	http      *http.Client
	again     bool // send once more, under the same id, what got no answer or 503

	unanswered, unavailable atomic.Int64 // how often that was
}

// connections is a client's own pool.
func connections() *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
}

// sequence numbers the requests of all clients of a test process.
var sequence atomic.Uint64

// sight is what a client saw of one call.
type sight struct {
	id     string
	status int // 0 without a complete answer
	header http.Header
	body   string
	err    error
	at     time.Time // when all of it had come
}

func (a sight) ok() bool { return a.status == http.StatusOK }

func (c *customer) call() sight {
	id := fmt.Sprintf("%s#%d", c.account, sequence.Add(1))
	a := c.send(id)
	for tries := 0; c.again && tries < 10 && (a.err != nil || a.status == http.StatusServiceUnavailable); tries++ {
		if a.err != nil {
			c.unanswered.Add(1)
		} else {
			c.unavailable.Add(1)
		}
		time.Sleep(10 * time.Millisecond)
		a = c.send(id)
	}
	return a
}

func (c *customer) send(id string) sight {
	a := sight{id: id}
	body, kind, fault := "{}", "application/json", "canned,"+c.fault
	if c.form != "" {
		body, kind, fault = c.form, formType, c.fault
	}
	request, err := http.NewRequest(http.MethodPost, c.site+rigPaths[c.operation], strings.NewReader(body))
	if err != nil {
		a.err = err
		return a
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("X-Api-Key", "key of "+c.account)
	request.Header.Set("X-Request-Id", a.id)
	request.Header.Set("X-Sample-Fault", fault)
	response, err := c.http.Do(request)
	if err != nil {
		a.err = err
		return a
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		a.err = err
		return a
	}
	a.status, a.header, a.body, a.at = response.StatusCode, response.Header, string(text), time.Now()
	return a
}

// sightings collects what all clients of one account and operation saw.
type sightings struct {
	mu      sync.Mutex
	answers []sight
}

func (j *sightings) note(a sight) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.answers = append(j.answers, a)
}
