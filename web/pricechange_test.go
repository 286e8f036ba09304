package web_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func source(t *testing.T, more string, edits ...string) string {
	t.Helper()
	text := string(prices(t))
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			t.Fatalf("the price book has no %q", edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"source":%s%s}`, quoted, more)
}

func TestPriceBookDiff(t *testing.T) {
	t.Parallel()
	g := start(t)
	run(t, g, []step{
		{"POST /pricebook/diff", source(t, ""), nil, 200, []string{"changes = []", "earliest = 2026-11-22T11:00:00+08:00"}},
		{"POST /pricebook/diff", source(t, "", "calls: 10_000,    valid: 1y, price: 24.00", "calls: 10_000,    valid: 1y, price: 23.00"), nil, 200,
			[]string{"changes.0.where = package image-tagging-10k-1y", "changes.0.text = price lowered from 24.00 to 23.00 USD",
				"force = from any hour", "earliest = 2026-11-22T11:00:00+08:00"}},
		{"POST /pricebook/diff", source(t, "", "price: 0.0030", "price: 0.0031"), nil, 200,
			[]string{"changes.0.force = from the start of a month", "force = from the start of a month", "earliest = 2026-12-01T00:00:00+08:00"}},
		{"POST /pricebook/diff", source(t, "", "currency: USD", "currency: EUR"), nil, 200, []string{"force = in a new ledger only", "earliest = <nil>"}},
		{"POST /pricebook/diff", source(t, "", "free_per_month: 1_000", "free_per_mouth: 1_000", "calls: 10_000,", "calls: ten,"), nil, 422,
			[]string{"errors.0.field = source", "errors.0.line = 17", "errors.0.column = 5", "text ~ free_per_mouth", "errors.1.line = 43", "text ~ source:43:78: calls"}},
		{"POST /pricebook/diff", `{"source":""}`, nil, 422, []string{"errors.0.line = 1"}},
		{"POST /pricebook/diff", `{}`, nil, 422, []string{"field = source", "text ~ is missing"}},
	})
}

func TestPriceBookSchedule(t *testing.T) {
	t.Parallel()
	g := start(t)
	dearer := func(from string) string { return source(t, `,"from":"`+from+`"`, "price: 0.0030", "price: 0.0031") }
	run(t, g, []step{
		{"POST /pricebook/schedule", dearer("2027-01-01T01:00:00+08:00"), nil, 409, []string{"type = urn:tallygate:problem:wrong-start", "text ~ 2027-02-01T00:00:00+08:00"}},
		{"POST /pricebook/schedule", dearer("2026-11"), nil, 409, []string{"text ~ 2026-12-01"}},
		{"POST /pricebook/schedule", dearer("soon"), nil, 422, []string{"field = from"}},
		{"POST /pricebook/schedule", source(t, `,"from":"2027-01"`, "currency: USD", "currency: EUR"), nil, 409, []string{"text ~ currency"}},
		{"POST /pricebook/schedule", `{"source":"currency: USD","from":"2027-01"}`, nil, 422, []string{"field = source"}},
		{"GET /pricebook", "", nil, 200, []string{"upcoming = <nil>"}},
		{"POST /pricebook/schedule", dearer("2027-01"), nil, 201, []string{"from = 2027-01-01T00:00:00+08:00", "changes.0.where = operation recognition/image-tagging"}},
		{"POST /pricebook/schedule", dearer("2026-12-31T16:00:00Z"), nil, 201, []string{"from = 2027-01-01T00:00:00+08:00"}},
		{"GET /pricebook", "", nil, 200, []string{"operations.1.tiers.0.price = 0.003", "upcoming.0.from = 2027-01-01T00:00:00+08:00", "upcoming.1 = <none>"}},
		{"POST /clock/advance", `{"to":"2027-01-01T00:00:00+08:00"}`, nil, 200, nil},
		{"GET /pricebook", "", nil, 200, []string{"operations.1.tiers.0.price = 0.0031", "since = 2027-01-01T00:00:00+08:00", "upcoming = <nil>"}},
	})
}

func TestPrice(t *testing.T) {
	t.Parallel()
	g := start(t)
	open(t, g, "1.00", "acme")
	call(t, g, "POST /accounts/acme/rows", `{"row":"acme-60m","max_images":60000000,"qps":{"search":100},"price":"9000.00"}`, key("r")...)
	calls := func(more string) string { return fmt.Sprintf(`{"calls":{"operation":%q%s}}`, tagging, more) }
	run(t, g, []step{
		// 10,000 at 0.0030 and 39,000 at 0.0025, twelve times
		{"POST /price", calls(`,"per_month":50000`), nil, 200, []string{"calls.calls = 600000", "calls.plans.0.total = 1530.00",
			"calls.plans.0.months.0.free = 1000", "calls.plans.0.months.0.total = 127.50", "calls.plans.0.months.11.month = 2027-10"}},
		{"POST /price", calls(`,"profile":[2000,3000]`), nil, 200, []string{"calls.plans.0.total = 9.00", "calls.plans.0.cheapest = true"}},
		{"POST /price", calls(`,"profile":[2000],"months":2`), nil, 422, []string{"field = profile"}},
		{"POST /price", `{"calls":{"operation":"search/add"}}`, nil, 404, []string{"field = operation"}},
		{"POST /price", calls(`,"months":61`), nil, 422, []string{"field = calls.months"}},
		{"POST /price", `{"calls":{"operation":"search/add"},"subscription":{"images":1,"qps":1}}`, nil, 422, []string{"text ~ ask for either"}},
		{"POST /price", `{}`, nil, 422, []string{"text ~ ask for either"}},
		{"POST /price", `{"subscription":{"images":2000000,"qps":6,"months":3}}`, nil, 200, []string{"subscription.rows.0.row = s2500k-10",
			"subscription.rows.0.total = 4500.00", "subscription.contact_sales = false"}},
		{"POST /price", `{"subscription":{"images":60000000,"qps":6}}`, nil, 200, []string{"subscription.contact_sales = true", "subscription.rows = []"}},
		{"POST /price", `{"subscription":{"images":60000000,"qps":6,"account":"acme"}}`, nil, 200, []string{"subscription.rows.0.row = acme-60m", "subscription.rows.0.own = true"}},
		{"POST /price", `{"subscription":{"images":1,"qps":1,"account":"nobody"}}`, nil, 404, []string{"field = account"}},
		{"POST /price", `{"subscription":{"images":1,"qps":1,"service":"catering"}}`, nil, 404, []string{"field = service"}},
	})
}
