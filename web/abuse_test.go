package web_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

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
	const most = `"100000000000000.00"`
	run(t, g, []step{
		{topUp, amount(most), key("o1"), 201, []string{"balance = 100000000000000.00"}},
		{topUp, amount(`"0.01"`), key("o2"), 422, []string{"field = amount", "text ~ out of range"}},
		{"GET /accounts/acme", "", nil, 200, []string{"balance = 100000000000000.00"}},
	})
}
