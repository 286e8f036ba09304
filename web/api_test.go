package web_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web/webtest"
)

const (
	tagging  = "recognition/image-tagging"
	jsonType = "application/json"
)

func start(t *testing.T) *webtest.Gateway {
	t.Helper()
	return webtest.New(t, webtest.Config{Book: prices(t)})
}

func prices(t *testing.T) []byte {
	t.Helper()
	book, err := os.ReadFile("../pricebook.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// answer is a response with its JSON.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

// call sends a request "METHOD /path" below /tallygate; headers are "Name: value".
func call(t testing.TB, g *webtest.Gateway, request, body string, headers ...string) answer {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, g.URL+"/tallygate"+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", jsonType)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if strings.HasSuffix(response.Header.Get("Content-Type"), "json") {
		if err := d.Decode(&a.body); err != nil {
			t.Fatalf("%s: %v in %s", request, err, text)
		}
	}
	return a
}

// at reads a member by its path, such as "packages.0.left".
func (a answer) at(path string) string {
	var v any = a.body
	for _, p := range strings.Split(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[p]
		case []any:
			i := 0
			fmt.Sscanf(p, "%d", &i)
			if i >= len(in) {
				return "<none>"
			}
			v = in[i]
		}
	}
	return fmt.Sprint(v)
}

// step is a request and what it must answer.
type step struct {
	request, body string
	headers       []string
	status        int
	want          []string // "path = value", or "text ~ part"
}

func run(t *testing.T, g *webtest.Gateway, steps []step) {
	t.Helper()
	for _, s := range steps {
		a := call(t, g, s.request, s.body, s.headers...)
		s.body = s.body[:min(len(s.body), 200)] // to be shown
		if a.status != s.status {
			t.Errorf("%s %s: status %d, want %d: %s", s.request, s.body, a.status, s.status, a.text)
			continue
		}
		if a.status >= 400 && a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: a refusal of type %q", s.request, a.header.Get("Content-Type"))
		}
		for _, w := range s.want {
			if part, ok := strings.CutPrefix(w, "text ~ "); ok {
				if !strings.Contains(a.text, part) {
					t.Errorf("%s %s: lacks %q: %s", s.request, s.body, part, a.text)
				}
				continue
			}
			path, value, _ := strings.Cut(w, " = ")
			if got := a.at(path); got != value {
				t.Errorf("%s %s: %s is %s, want %s: %s", s.request, s.body, path, got, value, a.text)
			}
		}
	}
}

func key(k string) []string { return []string{"Idempotency-Key: " + k} }

func TestLifeOfAnAccount(t *testing.T) {
	t.Parallel()
	g := start(t)
	run(t, g, []step{
		{"POST /accounts", `{"account":"acme","customer":"acme-inc"}`, nil, 201, []string{"account = acme", "customer = acme-inc"}},
		{"POST /accounts", `{"account":"acme"}`, nil, 409, []string{"type = urn:tallygate:problem:conflict", "field = account"}},
		{"GET /accounts/nobody", "", nil, 404, []string{"type = urn:tallygate:problem:not-found", "field = account"}},
		{"POST /accounts/acme/packages", `{"package":"image-tagging-10k-1y"}`, key("p0"), 402,
			[]string{"type = urn:tallygate:problem:insufficient-balance", "text ~ top up first"}},
		{"POST /accounts/acme/topups", `{"amount":"1000.00","reference":"wire 1"}`, key("t1"), 201,
			[]string{"amount = 1000.00", "balance = 1000.00", "currency = USD", "state = active"}},
		{"POST /accounts/acme/packages", `{"package":"image-tagging-10k-1y"}`, key("p0"), 201,
			[]string{"balance = 976.00", "package = 1", "calls = 10000", "start = 2026-11-22T10:30:00+08:00", "end = 2027-11-22T10:30:00+08:00"}},
		{"POST /accounts/acme/packages", `{"package":"nothing"}`, key("p1"), 404, []string{"field = package"}},
		{"POST /accounts/acme/subscriptions", `{"instance":"products","row":"s100k-1","months":2}`, key("s1"), 201,
			[]string{"balance = 376.00", "max_images = 100000", "qps = 1", "end = 2027-01-22T10:30:00+08:00"}},
		{"POST /accounts/acme/subscriptions", `{"instance":"products","row":"s100k-1"}`, key("s2"), 409, []string{"field = instance"}},
		{"PATCH /accounts/acme", `{"credit_limit":"50.00","pay_per_use":false}`, nil, 200, []string{"account = acme"}},
		{"PATCH /accounts/acme", `{}`, nil, 422, []string{"text ~ nothing to change"}},
		{"PATCH /accounts/acme", `{"credit_limit":"-1"}`, nil, 422, []string{"field = credit_limit"}},
		{"GET /accounts/acme", "", nil, 200, []string{"balance = 376.00", "credit_limit = 50.00", "pay_per_use = false", "state = active",
			"packages.0.left = 10000", "packages.0.operation = " + tagging, "subscriptions.0.qps.delete = 20", "keys = []", "created = 2026-11-22T10:30:00+08:00"}},
	})
}

func TestAccountPages(t *testing.T) {
	t.Parallel()
	g := start(t)
	for _, id := range []string{"zeta", "alpha", "mid"} {
		call(t, g, "POST /accounts", fmt.Sprintf(`{"account":%q}`, id))
	}
	run(t, g, []step{
		{"GET /accounts", "", nil, 200, []string{"accounts.0.account = zeta", "accounts.2.account = mid", "next = <nil>"}},
		{"GET /accounts?limit=2", "", nil, 200, []string{"accounts.1.account = alpha", "accounts.2.account = <none>", "next = alpha"}},
		{"GET /accounts?limit=2&after=alpha", "", nil, 200, []string{"accounts.0.account = mid", "next = <nil>"}},
		{"GET /accounts?limit=3", "", nil, 200, []string{"accounts.2.account = mid", "next = <nil>"}},
		{"GET /accounts?limit=0", "", nil, 422, []string{"field = limit"}},
		{"GET /accounts?after=nobody", "", nil, 404, nil},
		{"GET /accounts?page=2", "", nil, 422, []string{"field = page", "text ~ not known"}},
	})
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	g := start(t)
	call(t, g, "POST /accounts", `{"account":"acme"}`)
	call(t, g, "POST /accounts", `{"account":"other"}`)
	run(t, g, []step{
		{"POST /accounts/acme/topups", `{"amount":"5","reference":"r"}`, nil, 400,
			[]string{"type = urn:tallygate:problem:malformed", "field = Idempotency-Key", "text ~ done once only"}},
		{"POST /accounts/acme/packages", `{"package":"x"}`, nil, 400, []string{"field = Idempotency-Key"}},
		{"POST /accounts/acme/subscriptions", `{"instance":"i","row":"x"}`, nil, 400, []string{"field = Idempotency-Key"}},
		{"POST /accounts/acme/topups", `{"amount":"5","reference":"r"}`, key("k"), 201, []string{"balance = 5.00"}},
		{"POST /accounts/acme/topups", `{"reference":"r","amount":"5"}`, key("k"), 201, []string{"balance = 5.00", "movement = 1"}},
		{"POST /accounts/acme/topups", `{"amount":"6","reference":"r"}`, key("k"), 409, []string{"type = urn:tallygate:problem:idempotency-conflict"}},
		{"POST /accounts/other/topups", `{"amount":"5","reference":"r"}`, key("k"), 409, nil},
		{"POST /accounts/acme/topups", `{"amount":"0","reference":"r"}`, key("refused"), 422, nil},
		{"POST /accounts/acme/topups", `{"amount":"7","reference":"r"}`, key("refused"), 201, []string{"balance = 12.00"}},
	})
	if a := call(t, g, "POST /accounts/acme/topups", `{"amount":"5","reference":"r"}`, key("k")...); a.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("a replayed answer does not say so: %v", a.header)
	}
}

func TestSimultaneousRepeatsCreditOnce(t *testing.T) {
	t.Parallel()
	g := start(t)
	call(t, g, "POST /accounts", `{"account":"acme"}`)
	var wg sync.WaitGroup
	answers := make([]answer, 100)
	for i := range answers {
		wg.Go(func() {
			answers[i] = call(t, g, "POST /accounts/acme/topups", `{"amount":"10.00","reference":"wire"}`, key("same")...)
		})
	}
	wg.Wait()
	first := 0
	for _, a := range answers {
		if a.status != 201 || a.at("balance") != "10.00" {
			t.Errorf("status %d: %s", a.status, a.text)
		}
		if a.header.Get("Idempotent-Replayed") == "" {
			first++
		}
	}
	if first != 1 {
		t.Errorf("%d answers are no replay, want 1", first)
	}
	run(t, g, []step{{"GET /accounts/acme", "", nil, 200, []string{"balance = 10.00"}}})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	g := start(t)
	call(t, g, "POST /accounts", `{"account":"acme"}`)
	call(t, g, "POST /accounts", `{"account":"other"}`)
	made := call(t, g, "POST /accounts/acme/keys", `{"kind":"secret","label":"shop"}`, key("k1")...)
	secret, id := made.at("secret"), made.at("key")
	if made.status != 201 || !strings.HasPrefix(secret, "tg_") || len(secret) != 3+52 || len(id) != 12 {
		t.Fatalf("created %d: %s", made.status, made.text)
	}
	run(t, g, []step{
		{"POST /accounts/acme/keys", `{"kind":"secret","label":"shop"}`, key("k1"), 201,
			[]string{"key = " + id, "secret = <nil>", "text ~ cannot be shown again"}},
		{"POST /accounts/acme/keys", `{"kind":"secret","label":"till"}`, key("k1"), 409, nil},
		{"POST /accounts/acme/keys", `{"kind":"identity"}`, nil, 422, []string{"field = value"}},
		{"POST /accounts/acme/keys", `{"kind":"password"}`, nil, 422, []string{"field = kind"}},
		{"POST /accounts/acme/keys", `{"kind":"secret","value":" x"}`, nil, 422, []string{"field = value"}},
		{"POST /accounts/acme/keys", `{"kind":"access-key-id","value":"AK1","instance":"products"}`, key("k2"), 201,
			[]string{"kind = access-key-id", "instance = products", "secret = <nil>"}},
		{"POST /accounts/acme/keys", `{"kind":"access-key-id","value":"AK1","instance":"products"}`, key("k2"), 201, nil},
		{"POST /accounts/acme/keys", `{"kind":"access-key-id","value":"AK2","instance":"products"}`, key("k2"), 409, nil},
		{"POST /accounts/other/keys", `{"kind":"access-key-id","value":"AK1"}`, nil, 409, []string{"text ~ in use already"}},
		{"GET /accounts/acme", "", nil, 200, []string{"keys.0.key = " + id, "keys.0.label = shop", "keys.1.kind = access-key-id"}},
		{"DELETE /accounts/acme/keys/" + id, "", nil, 200, []string{"key = " + id}},
		{"DELETE /accounts/acme/keys/" + id, "", nil, 404, []string{"field = key"}},
		{"GET /accounts/acme", "", nil, 200, []string{"keys.0.kind = access-key-id"}},
	})
	if a := call(t, g, "GET /accounts/acme", ""); strings.Contains(a.text, secret) {
		t.Error("the account shows the secret")
	}
	if a := call(t, g, "POST /accounts/acme/keys", `{"kind":"secret","value":"my-old-secret","colour":1}`); strings.Contains(a.text, "my-old") {
		t.Errorf("a problem repeats the secret: %s", a.text)
	}
}

func TestArrears(t *testing.T) {
	t.Parallel()
	g := start(t)
	call(t, g, "POST /accounts", `{"account":"acme"}`)
	g.Count(t, "acme", tagging, account.PayPerUse, 0, 1000)
	run(t, g, []step{
		{"POST /settle", "", nil, 200, nil},
		{"GET /accounts/acme", "", nil, 200, []string{"balance = -3.00", "state = grace", "arrears_since = 2026-11-22T10:30:01+08:00", "release_due = 2026-12-22T10:30:01+08:00"}},
		{"POST /accounts/acme/packages", `{"package":"image-tagging-10k-1y"}`, key("p"), 409,
			[]string{"type = urn:tallygate:problem:not-allowed", "text ~ top up 3.00"}},
		{"POST /clock/advance", `{"by":"15d"}`, nil, 200, []string{"now = 2026-12-07T10:30:01+08:00"}},
		{"GET /accounts/acme", "", nil, 200, []string{"state = retention"}},
		{"POST /accounts/acme/topups", `{"amount":"3","reference":"r"}`, key("t"), 201, []string{"state = active"}},
	})
}

func TestOperation(t *testing.T) {
	t.Parallel()
	g := start(t)
	call(t, g, "POST /accounts", `{"account":"acme"}`)
	run(t, g, []step{
		{"GET /status", "", nil, 200, []string{"currency = USD", "test_clock = true", "accounts = 1"}},
		{"GET /pricebook", "", nil, 200, []string{"currency = USD", "operations.1.tiers.0.price = 0.003", "packages.0.price = 24.00", "subscriptions.0.trial = true"}},
		{"GET /refusals/refused-1", "", nil, 200, []string{"account = acme", "reason = arrears"}},
		{"GET /refusals/nonsense", "", nil, 404, []string{"type = urn:tallygate:problem:not-found"}},
		{"POST /clock/advance", `{}`, nil, 422, []string{"field = by"}},
		{"POST /clock/advance", `{"by":"1h","to":"2027-01-01T00:00:00Z"}`, nil, 422, nil},
		{"POST /clock/advance", `{"by":"-1h"}`, nil, 422, []string{"field = by"}},
		{"POST /clock/advance", `{"by":"soon"}`, nil, 422, []string{"field = by"}},
		{"POST /clock/advance", `{"by":"999999d"}`, nil, 422, []string{"field = by"}},
		{"POST /clock/advance", `{"to":"2026-11-01T00:00:00Z"}`, nil, 422, []string{"field = to", "text ~ only goes forward"}},
		{"POST /clock/advance", `{"to":"tomorrow"}`, nil, 422, []string{"field = to"}},
		{"POST /clock/advance", `{"by":"1d30m"}`, nil, 200, []string{"now = 2026-11-23T11:00:00+08:00"}},
		{"POST /clock/advance", `{"to":"2026-12-01T00:00:00+08:00"}`, nil, 200, []string{"now = 2026-12-01T00:00:00+08:00"}},
	})
}

func TestWallClockDoesNotMove(t *testing.T) {
	t.Parallel()
	run(t, webtest.New(t, webtest.Config{Book: prices(t), WallClock: true}), []step{
		{"POST /clock/advance", `{"by":"1h"}`, nil, 409, []string{"type = urn:tallygate:problem:no-test-clock"}},
		{"GET /status", "", nil, 200, []string{"test_clock = false", "now = 2026-11-22T10:30:00+08:00"}},
	})
}
