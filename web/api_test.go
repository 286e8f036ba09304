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
	book, err := os.ReadFile("../pricebook.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return webtest.New(t, book)
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

func TestUsageIsSettledAndOpen(t *testing.T) {
	t.Parallel()
	g := start(t)
	call(t, g, "POST /accounts", `{"account":"acme"}`)
	call(t, g, "POST /accounts/acme/topups", `{"amount":"100","reference":"r"}`, key("t")...)
	call(t, g, "POST /accounts/acme/packages", `{"package":"image-tagging-10k-1y"}`, key("p")...)
	g.Count(t, "acme", tagging, account.Free, 202611, 1000)
	g.Count(t, "acme", tagging, account.PayPerUse, 0, 9_990)
	g.Count(t, "acme", tagging, account.FailedStatus, 0, 3)
	run(t, g, []step{
		{"GET /accounts/acme/usage", "", nil, 200, []string{"month = 2026-11", "lines.1.funding = payg", "lines.1.settled = 0", "lines.1.open = 9990",
			"debited = 0.00", "unsettled = 29.97", "balance = 76.00"}},
		{"POST /settle", "", nil, 200, []string{"settled_until = 2026-11-22T10:30:01+08:00"}},
	})
	g.Count(t, "acme", tagging, account.Package, 1, 400)
	g.Count(t, "acme", tagging, account.PayPerUse, 0, 20)
	g.Count(t, "acme", tagging, account.FailedStatus, 0, 2)
	run(t, g, []step{
		{"GET /accounts/acme/usage", "", nil, 200, []string{
			"lines.0.funding = free:202611", "lines.0.settled = 1000", "lines.0.unsettled = 0.00",
			"lines.1.funding = package:1", "lines.1.open = 400",
			"lines.2.funding = payg", "lines.2.settled = 9990", "lines.2.open = 20", "lines.2.debited = 29.97",
			// 10 calls at 0.0030 and 10 at 0.0025: 30.025 in all, rounded 30.03
			"lines.2.unsettled = 0.06", "debited = 29.97", "unsettled = 0.06", "balance = 46.03",
			"not_billed.0.reason = failed-status", "not_billed.0.settled = 3", "not_billed.0.open = 2"}},
		{"GET /accounts/acme", "", nil, 200, []string{"packages.0.used = 0", "packages.0.open = 400", "packages.0.left = 9600"}},
		{"POST /settle", "", nil, 200, nil},
		{"GET /accounts/acme", "", nil, 200, []string{"balance = 45.97", "packages.0.used = 400", "packages.0.open = 0", "packages.0.left = 9600"}},
		{"GET /accounts/acme/usage", "", nil, 200, []string{"debited = 30.03", "unsettled = 0.00", "balance = 45.97"}},
		{"GET /accounts/acme/statements/2026-11", "", nil, 200, []string{"usage = 30.03", "closing = 45.97", "lines.2.bands.1.unit_price = 0.0025"}},
		{"GET /accounts/acme/statements/2026-10", "", nil, 200, []string{"closing = 0.00"}},
		{"GET /accounts/acme/statements/2026-12", "", nil, 422, []string{"text ~ has not begun"}},
		{"GET /accounts/acme/statements/november", "", nil, 422, []string{"text ~ write it as 2026-11"}},
	})
	table := call(t, g, "GET /accounts/acme/statements/2026-11", "", "Accept: text/plain")
	if again := call(t, g, "GET /accounts/acme/statements/2026-11?format=table", ""); again.text != table.text {
		t.Errorf("two tables:\n%s\n%s", table.text, again.text)
	}
	if !strings.HasPrefix(table.text, "Statement acme-") || !strings.HasPrefix(table.header.Get("Content-Type"), "text/plain") {
		t.Errorf("table: %s %s", table.header.Get("Content-Type"), table.text)
	}
}

// TestLeftWhileSettling: what is left of a package is right at every moment of
// a settlement, when calls move from the counters to the ledger.
func TestLeftWhileSettling(t *testing.T) {
	t.Parallel()
	g := start(t)
	call(t, g, "POST /accounts", `{"account":"acme"}`)
	call(t, g, "POST /accounts/acme/topups", `{"amount":"100","reference":"r"}`, key("t")...)
	call(t, g, "POST /accounts/acme/packages", `{"package":"image-tagging-10k-1y"}`, key("p")...)
	for round := 1; round <= 20; round++ {
		g.Count(t, "acme", tagging, account.Package, 1, 100)
		var wg sync.WaitGroup
		wg.Go(func() { call(t, g, "POST /settle", "") })
		for range 3 {
			wg.Go(func() {
				for range 5 {
					a := call(t, g, "GET /accounts/acme", "")
					if want := fmt.Sprint(10_000 - 100*round); a.at("packages.0.left") != want {
						t.Errorf("round %d: %s left, want %s", round, a.at("packages.0.left"), want)
					}
				}
			})
		}
		wg.Wait()
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

// TestAbuse: what is not exactly a command changes nothing.
func TestAbuse(t *testing.T) {
	t.Parallel()
	g := start(t)
	call(t, g, "POST /accounts", `{"account":"acme"}`)
	topUp := "POST /accounts/acme/topups"
	amount := func(text string) string { return `{"amount":` + text + `,"reference":"r"}` }
	steps := []step{
		{topUp, `{"amount":"1","amount":"1","reference":"r"}`, key("d1"), 400, []string{`text ~ member \"amount\" is there twice`}},
		{topUp, `{"amount":"1","Amount":"9","reference":"r"}`, key("d2"), 400, []string{"text ~ twice"}},
		{topUp, `{"Amount":"9","reference":"r"}`, key("d3"), 422, []string{"text ~ Amount: is not known"}},
		{topUp, `{"reference":"r"}`, key("d4"), 422, []string{"field = amount", "text ~ is missing"}},
		{topUp, `{"amount":"1","reference":""}`, key("d5"), 422, []string{"field = reference"}},
		{topUp, `{"amount":"1","reference":"r","free":true}`, key("d6"), 422, []string{"field = free", "text ~ take it out"}},
		{topUp, amount(`"1"`) + `{}`, key("d7"), 400, []string{"text ~ goes on after"}},
		{topUp, amount(`"1"`)[:20], key("d8"), 400, nil},
		{topUp, `[]`, key("d9"), 422, nil},
		{topUp, `null`, key("d10"), 422, nil},
		{topUp, "{\"amount\":\"1\",\"reference\":\"\xff\"}", key("d11"), 400, []string{"text ~ UTF-8"}},
		{topUp, strings.Repeat("[", 100_000), key("d12"), 400, []string{"text ~ nested"}},
		{topUp, "", key("d13"), 400, []string{"text ~ body is required"}},
		{topUp, `{"amount":"1","reference":"` + strings.Repeat("r", 1<<20) + `"}`, key("d14"), 413, []string{"type = urn:tallygate:problem:too-large"}},
		{topUp, amount(`"1"`), []string{"Idempotency-Key: " + strings.Repeat("k", 256)}, 400, []string{"field = Idempotency-Key"}},
		{topUp, amount(`"1"`), append(key("d15"), "Content-Type: text/plain"), 415, nil},
		{topUp, amount(`"1"`), append(key("d16"), "Content-Type: application/x-www-form-urlencoded"), 415, nil},
		{topUp, amount(`"1"`), append(key("d17"), "Content-Type: "), 415, nil},
		{"POST /settle", "x=1", []string{"Content-Type: text/plain"}, 415, nil},
		{"POST /accounts", `{"account":"../x"}`, nil, 422, []string{"field = account"}},
		{"POST /accounts", `{"account":"b","pay_per_use":"no"}`, nil, 422, []string{"field = pay_per_use"}},
		{"POST /accounts/acme/subscriptions", `{"instance":"i","row":"s100k-1","months":1.5}`, key("m1"), 422, []string{"field = months"}},
		{"POST /accounts/acme/subscriptions", `{"instance":"i","row":"s100k-1","months":0}`, key("m2"), 422, []string{"field = months"}},
		{"POST /accounts/acme/subscriptions", `{"instance":"i","row":"s100k-1","months":1e400}`, key("m3"), 422, []string{"field = months"}},
		{"POST /accounts/acme/subscriptions", `{"instance":"i","row":"s100k-1","months":99999999999999999999}`, key("m4"), 422, []string{"field = months"}},
		{"PUT /accounts/acme", `{}`, nil, 405, []string{"type = urn:tallygate:problem:method-not-allowed"}},
		{"GET /nothing", "", nil, 404, []string{"text ~ openapi.json"}},
	}
	for i, bad := range []string{`-1`, `0`, `1`, `1.0`, `1e400`, `0.005`, `9223372036854775807`, `true`, `null`, `["1"]`, `{"x":1}`} {
		steps = append(steps, step{topUp, amount(bad), key(fmt.Sprint("n", i)), 422, []string{"field = amount", "text ~ write a decimal string"}})
	}
	for i, bad := range []string{"-1", "0", "0.00", "0.005", "9223372036854775807", "1e400", "1e2", "NaN", "Infinity", "", " 1", "1 ", "+1", "1,000", "0x10", "१", "1.", ".5"} {
		text, _ := json.Marshal(bad)
		steps = append(steps, step{topUp, amount(string(text)), key(fmt.Sprint("s", i)), 422, []string{"field = amount"}})
	}
	steps = append(steps, step{topUp, amount("NaN"), key("nan"), 400, nil},
		step{"GET /accounts/acme", "", nil, 200, []string{"balance = 0.00"}})
	run(t, g, steps)
	const most = `"92233720368547758.07"`
	run(t, g, []step{
		{topUp, amount(most), key("o1"), 201, []string{"balance = 92233720368547758.07"}},
		{topUp, amount(`"0.01"`), key("o2"), 422, []string{"field = amount", "text ~ out of range"}},
		{"GET /accounts/acme", "", nil, 200, []string{"balance = 92233720368547758.07"}},
	})
}

func TestDescription(t *testing.T) {
	t.Parallel()
	a := call(t, start(t), "GET /openapi.json", "")
	if a.at("openapi") != "3.1.0" {
		t.Errorf("version %s", a.at("openapi"))
	}
	for _, path := range []string{"/accounts", "/accounts/{account}", "/accounts/{account}/keys", "/accounts/{account}/keys/{key}",
		"/accounts/{account}/topups", "/accounts/{account}/packages", "/accounts/{account}/subscriptions", "/accounts/{account}/usage",
		"/accounts/{account}/statements/{month}", "/pricebook", "/status", "/settle", "/clock/advance", "/refusals/{id}"} {
		if _, ok := a.body["paths"].(map[string]any)["/tallygate"+path]; !ok {
			t.Errorf("%s is not described", path)
		}
	}
	if got := a.at("components.schemas.NewTopUp.properties.amount.type"); got != "string" {
		t.Errorf("the schema of an amount is %s", got)
	}
	if got := a.at("components.schemas.Problem.properties.field.type"); got != "string" {
		t.Errorf("problems are described as %s", got)
	}
}
