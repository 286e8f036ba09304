package web_test

import (
	"fmt"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web/webtest"
)

// open makes accounts with money.
func open(t *testing.T, g *webtest.Gateway, balance string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		call(t, g, "POST /accounts", fmt.Sprintf(`{"account":%q}`, id))
		call(t, g, "POST /accounts/"+id+"/topups", fmt.Sprintf(`{"amount":%q,"reference":"wire"}`, balance), key("money "+id)...)
	}
}

// previewed is a money command with its preview: what the preview says now is
// what the command then charges, and nothing happens in between (D34).
type previewed struct {
	path, body string
	headers    []string
	now, later string // amounts
	balance    string // after it
	end        string
}

func (p previewed) check(t *testing.T, g *webtest.Gateway) {
	t.Helper()
	before := call(t, g, "GET /accounts/acme", "").text
	shown := call(t, g, "POST "+p.path+"/preview", p.body, p.headers...)
	for path, want := range map[string]string{"now.amount": p.now, "later.amount": p.later, "now.balance": p.balance, "now.end": p.end} {
		if shown.status != 200 || shown.at(path) != want {
			t.Errorf("%s/preview: %d, %s is %s, want %s: %s", p.path, shown.status, path, shown.at(path), want, shown.text)
		}
	}
	if after := call(t, g, "GET /accounts/acme", "").text; after != before {
		t.Errorf("%s/preview did something:\n%s\n%s", p.path, before, after)
	}
	done := call(t, g, "POST "+p.path, p.body, append(p.headers, key(p.path+p.body)...)...)
	if done.status != 201 || done.at("balance") != p.balance || done.at("end") != p.end {
		t.Errorf("%s: %d, %s", p.path, done.status, done.text)
	}
	if again := call(t, g, "POST "+p.path, p.body, append(p.headers, key(p.path+p.body)...)...); again.text != done.text || again.header.Get("Idempotent-Replayed") == "" {
		t.Errorf("%s again: %d, %s", p.path, again.status, again.text)
	}
}

func TestEveryPriceIsShownBefore(t *testing.T) {
	t.Parallel()
	g := webtest.New(t, webtest.Config{Book: prices(t), Finance: "s3cret"})
	open(t, g, "3000.00", "acme")
	for _, p := range []previewed{
		{"/accounts/acme/topups", `{"amount":"10.00","reference":"wire 2"}`, nil, "-10.00", "-10.00", "3010.00", "<nil>"},
		{"/accounts/acme/adjustments", `{"amount":"-10.00","reason":"typed twice","reference":"wire 2"}`,
			[]string{"Authorization: Bearer s3cret"}, "10.00", "10.00", "3000.00", "<nil>"},
		{"/accounts/acme/packages", `{"package":"image-tagging-10k-1y","auto_renew":true}`, nil, "24.00", "24.00", "2976.00", "2027-11-22T10:30:00+08:00"},
		{"/accounts/acme/packages/1/renewals", `{"max_amount":"24"}`, nil, "24.00", "24.00", "2952.00", "2028-11-22T10:30:00+08:00"},
		{"/accounts/acme/subscriptions", `{"instance":"products","row":"s100k-1","trial":true}`, nil, "0.00", "0.00", "2952.00", "2026-12-22T10:30:00+08:00"},
		{"/accounts/acme/instances/products/renewals", `{"months":2}`, nil, "600.00", "600.00", "2352.00", "2027-02-22T10:30:00+08:00"},
	} {
		p.check(t, g)
	}
	run(t, g, []step{
		{"GET /accounts/acme", "", nil, 200, []string{"packages.0.chain = 1", "packages.0.auto_renew = false", "packages.1.chain = 1",
			"packages.1.auto_renew = true", "subscriptions.0.trial = true", "instances.0.instance = products", "instances.0.state = running",
			"instances.0.row = s100k-1", "instances.0.paid_until = 2027-02-22T10:30:00+08:00", "instances.0.release_due = 2027-03-09T10:30:00+08:00"}},
		{"POST /clock/advance", `{"by":"15d"}`, nil, 200, nil},
	})
	// Half of 30 free days are left, at 800.00 for all of them, and the two months
	// that are prepaid at 600.00 become 1600.00 (D30).
	previewed{"/accounts/acme/instances/products/changes", `{"row":"s2500k-5","max_amount":"1400.00"}`, nil,
		"1400.00", "1399.91", "952.00", "2026-12-22T10:30:00+08:00"}.check(t, g)
	run(t, g, []step{
		{"GET /accounts/acme", "", nil, 200, []string{"subscriptions.0.void = true", "instances.0.max_images = 2500000", "instances.0.row = s2500k-5"}},
	})
}

// TestAnotherRowFromTheNextTerm: until then the instance has what it had (D31),
// and it is retained from the second at which it ends (D32).
func TestAnotherRowFromTheNextTerm(t *testing.T) {
	t.Parallel()
	g := start(t)
	open(t, g, "3000.00", "acme")
	run(t, g, []step{
		{"POST /accounts/acme/subscriptions", `{"instance":"products","row":"s100k-1"}`, key("s"), 201, nil},
		{"POST /accounts/acme/instances/products/renewals", `{"row":"s2500k-5"}`, key("r"), 201, []string{"amount = -800.00", "row = s2500k-5",
			"start = 2026-12-22T10:30:00+08:00"}},
		{"GET /accounts/acme", "", nil, 200, []string{"instances.0.row = s100k-1", "instances.0.max_images = 100000", "instances.0.paid_until = 2027-01-22T10:30:00+08:00"}},
		{"POST /clock/advance", `{"to":"2026-12-22T10:30:00+08:00"}`, nil, 200, nil},
		{"GET /accounts/acme", "", nil, 200, []string{"instances.0.row = s2500k-5", "instances.0.qps.search = 5"}},
		{"POST /clock/advance", `{"to":"2027-01-22T10:29:59+08:00"}`, nil, 200, nil},
		{"GET /accounts/acme", "", nil, 200, []string{"instances.0.state = running"}},
		{"POST /clock/advance", `{"to":"2027-01-22T10:30:00+08:00"}`, nil, 200, nil},
		{"GET /accounts/acme", "", nil, 200, []string{"instances.0.state = retained"}},
	})
}

func TestMoreThanAgreed(t *testing.T) {
	t.Parallel()
	g := start(t)
	open(t, g, "3000.00", "acme")
	changed := "type = urn:tallygate:problem:amount-changed"
	run(t, g, []step{
		{"POST /accounts/acme/packages", `{"package":"image-tagging-10k-1y","max_amount":"23.99"}`, key("p"), 409, []string{changed, "amount = 24.00", "field = max_amount"}},
		// A refusal is not remembered: the same key may carry what is agreed now.
		{"POST /accounts/acme/packages", `{"package":"image-tagging-10k-1y","max_amount":"24.00"}`, key("p"), 201, []string{"amount = -24.00"}},
		{"POST /accounts/acme/packages", `{"package":"image-tagging-10k-1y","max_amount":"25.00"}`, key("p"), 409, []string{"type = urn:tallygate:problem:idempotency-conflict"}},
		{"POST /accounts/acme/packages/1/renewals", `{"max_amount":"1"}`, key("r"), 409, []string{changed, "amount = 24.00"}},
		{"POST /accounts/acme/subscriptions", `{"instance":"products","row":"s2500k-5","max_amount":"799.99"}`, key("s"), 409, []string{changed, "amount = 800.00"}},
		{"POST /accounts/acme/subscriptions", `{"instance":"products","row":"s2500k-5"}`, key("s"), 201, nil},
		{"POST /accounts/acme/instances/products/renewals", `{"max_amount":"0"}`, key("sr"), 409, []string{changed, "amount = 800.00"}},
		{"POST /accounts/acme/instances/products/changes", `{"row":"s100k-1","max_amount":"-500.01"}`, key("c"), 409, []string{changed, "amount = -500.00"}},
		{"POST /accounts/acme/instances/products/changes", `{"row":"s100k-1","max_amount":"five"}`, key("c"), 422, []string{"field = max_amount"}},
		{"POST /accounts/acme/instances/products/changes", `{"row":"s100k-1","max_amount":"-500.00"}`, key("c"), 201, []string{"amount = 500.00"}},
	})
}

// TestPreviewRefuses: as the command would, and what will be refused in five
// minutes says so.
func TestPreviewRefuses(t *testing.T) {
	t.Parallel()
	g := start(t)
	open(t, g, "800.00", "acme")
	run(t, g, []step{
		{"POST /accounts/acme/packages/preview", `{"package":"nothing"}`, nil, 404, []string{"field = package"}},
		{"POST /accounts/acme/packages/preview", `{"package":"image-tagging-10k-1y","max_amount":"5"}`, nil, 409, []string{"amount = 24.00"}},
		{"POST /accounts/nobody/packages/preview", `{"package":"image-tagging-10k-1y"}`, nil, 404, []string{"field = account"}},
		{"POST /accounts/acme/packages/7/renewals/preview", `{}`, nil, 404, []string{"field = package"}},
		{"POST /accounts/acme/packages/x/renewals/preview", `{}`, nil, 422, []string{"field = package"}},
		{"POST /accounts/acme/instances/products/changes/preview", `{"row":"s2500k-5"}`, nil, 404, []string{"field = instance"}},
		{"POST /accounts/acme/subscriptions/preview", `{"instance":"products","row":"s2500k-5","months":2}`, nil, 402, []string{"text ~ top up first"}},
		{"POST /accounts/acme/subscriptions", `{"instance":"products","row":"s2500k-5"}`, key("s"), 201, nil},
		{"POST /clock/advance", `{"to":"2026-12-22T10:27:00+08:00"}`, nil, 200, nil},
		{"POST /accounts/acme/instances/products/changes/preview", `{"row":"s100k-1"}`, nil, 200,
			[]string{"now.amount = -0.03", "later.amount = <nil>", "later.refused.status = 404", "later.refused.field = instance"}},
	})
}

func TestFinanceOnly(t *testing.T) {
	t.Parallel()
	adjust, preview, body := "POST /accounts/acme/adjustments", "POST /accounts/acme/adjustments/preview", `{"amount":"-5.00","reason":"typed twice","reference":"wire 4711"}`
	none := start(t)
	open(t, none, "1.00", "acme")
	run(t, none, []step{
		{adjust, body, append(key("a"), "Authorization: Bearer s3cret"), 403, []string{"type = urn:tallygate:problem:finance-not-configured", "text ~ finance <sha256>"}},
		{preview, body, nil, 403, nil},
	})
	g := webtest.New(t, webtest.Config{Book: prices(t), Finance: "s3cret"})
	open(t, g, "1.00", "acme")
	for i, headers := range [][]string{nil, {"Authorization: Bearer wrong"}, {"Authorization: Basic s3cret"}, {"Authorization: s3cret"}, {"Authorization: Bearer"}} {
		run(t, g, []step{{adjust, body, append(key(fmt.Sprint(i)), headers...), 401, []string{"type = urn:tallygate:problem:finance-only", "text ~ TALLYGATE_FINANCE_TOKEN"}},
			{preview, body, headers, 401, nil}})
	}
	if a := call(t, g, adjust, body, key("x")...); a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("a 401 does not say how: %v", a.header)
	}
	finance := "Authorization: bearer s3cret"
	run(t, g, []step{
		{adjust, `{"amount":"0","reason":"r","reference":"r"}`, append(key("z"), finance), 422, []string{"field = amount"}},
		{adjust, `{"amount":"-5.00","reason":"","reference":"r"}`, append(key("z"), finance), 422, []string{"field = reason"}},
		{adjust, body, []string{finance}, 400, []string{"field = Idempotency-Key"}},
		{adjust, body, append(key("y"), finance), 201, []string{"amount = -5.00", "balance = -4.00", "state = active"}},
		{"POST /settle", "", nil, 200, nil},
		{"GET /accounts/acme", "", nil, 200, []string{"state = active"}}, // it is judged when the hour is settled (D19)
		{"POST /clock/advance", `{"by":"1h"}`, nil, 200, nil},
		{"GET /accounts/acme", "", nil, 200, []string{"state = grace", "arrears_since = 2026-11-22T11:00:00+08:00"}},
		{adjust, `{"amount":"5.00","reason":"no, once","reference":"wire 4711"}`, append(key("w"), finance), 201, []string{"state = active"}},
	})
}

// TestEntitlements: settings of packages and rows of one's own.
func TestEntitlements(t *testing.T) {
	t.Parallel()
	g := start(t)
	open(t, g, "20000.00", "acme", "other")
	row := `{"row":"acme-50m","max_images":50000000,"qps":{"search":100},"price":"9000.00"}`
	run(t, g, []step{
		{"POST /accounts/acme/packages", `{"package":"image-tagging-10k-1y"}`, key("p"), 201, []string{"auto_renew = false"}},
		{"PUT /accounts/acme/packages/1/auto-renewal", `{"on":true}`, key("on"), 200, []string{"auto_renew = true"}},
		{"PUT /accounts/acme/packages/1/auto-renewal", `{"on":true}`, nil, 400, []string{"field = Idempotency-Key"}},
		{"PUT /accounts/acme/packages/1/auto-renewal", `{}`, key("e"), 422, []string{"field = on", "text ~ true or false"}},
		{"PUT /accounts/acme/packages/9/auto-renewal", `{"on":true}`, key("n"), 404, []string{"field = package"}},
		{"GET /accounts/acme", "", nil, 200, []string{"packages.0.auto_renew = true"}},
		{"PUT /accounts/acme/packages/1/auto-renewal", `{"on":false}`, key("off"), 200, []string{"auto_renew = false"}},
		{"POST /accounts/acme/rows", row, key("row"), 201, []string{"row = acme-50m", "price = 9000.00"}},
		{"POST /accounts/acme/rows", `{"row":"x","max_images":1,"qps":{"search":1},"price":"0"}`, key("r0"), 422, []string{"field = price"}},
		{"POST /accounts/acme/rows", `{"row":"x","max_images":1,"qps":{"search":1},"price":"1","service":"catering"}`, key("r1"), 404, []string{"field = service"}},
		{"GET /accounts/acme", "", nil, 200, []string{"rows.0.row = acme-50m", "rows.0.qps.add = 100", "rows.0.qps.delete = 20", "rows.0.service = search"}},
		{"POST /accounts/acme/subscriptions", `{"instance":"big","row":"acme-50m"}`, key("s"), 201, []string{"max_images = 50000000"}},
		{"POST /accounts/other/subscriptions", `{"instance":"big","row":"acme-50m"}`, key("t"), 404, []string{"field = row"}},
		{"POST /accounts/acme/subscriptions", `{"instance":"try","row":"s100k-1","trial":true}`, key("u"), 201, []string{"trial = true", "amount = 0.00"}},
		{"POST /accounts/acme/subscriptions", `{"instance":"try2","row":"s100k-1","trial":true}`, key("v"), 409, []string{"field = trial"}},
	})
}

func TestLowBalance(t *testing.T) {
	t.Parallel()
	g := start(t)
	run(t, g, []step{
		{"POST /accounts", `{"account":"acme","low_balance":"5.00"}`, nil, 201, nil},
		{"POST /accounts/acme/topups", `{"amount":"6.00","reference":"w"}`, key("t"), 201, nil},
		{"GET /accounts/acme", "", nil, 200, []string{"low_balance = 5.00", "worst_overshoot.amount = <nil>", "text ~ no qps quota"}},
		{"PATCH /accounts/acme", `{"low_balance":"4.00"}`, nil, 200, nil},
		{"PATCH /accounts/acme", `{"low_balance":"x"}`, nil, 422, []string{"field = low_balance"}},
		{"PATCH /accounts/acme", `{"low_balance":4}`, nil, 422, []string{"field = low_balance", "text ~ decimal string"}},
	})
	g.Count(t, "acme", tagging, account.PayPerUse, 0, 1000)
	run(t, g, []step{
		{"POST /settle", "", nil, 200, nil},
		{"GET /accounts/acme/events", "", nil, 200, []string{"events.0.kind = notice-low-balance", "events.0.number = 1", "next = <nil>"}},
		{"PATCH /accounts/acme", `{"pay_per_use":false}`, nil, 200, nil},
		{"GET /accounts/acme", "", nil, 200, []string{"low_balance = 4.00", "worst_overshoot.amount = 0.00"}},
	})
}
