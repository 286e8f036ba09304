package integration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// member is a member of a request's body: a good value, and the kind of bad ones.
type member struct{ name, good, kind string }

// moneyCommands are all that move money or say what it will be, with bodies that
// would be accepted.
var moneyCommands = []struct {
	method, path string
	members      []member
}{
	{"POST", "accounts/acme/topups", []member{{"amount", `"1.00"`, "amount"}, {"reference", `"r"`, "text"}}},
	{"POST", "accounts/acme/adjustments", []member{{"amount", `"-1.00"`, "signed"}, {"reason", `"r"`, "text"}, {"reference", `"r"`, "text"}}},
	{"POST", "accounts/acme/packages", []member{{"package", `"image-tagging-10k-1y"`, "text"}, {"max_amount", `"24.00"`, "most"}}},
	{"POST", "accounts/acme/packages/1/renewals", []member{{"max_amount", `"24.00"`, "most"}}},
	{"POST", "accounts/acme/subscriptions", []member{{"instance", `"other"`, "text"}, {"row", `"s100k-1"`, "text"}, {"months", `2`, "months"}, {"max_amount", `"600.00"`, "most"}}},
	{"POST", "accounts/acme/instances/products/renewals", []member{{"months", `2`, "months"}, {"max_amount", `"9999.00"`, "most"}}},
	{"POST", "accounts/acme/instances/products/changes", []member{{"row", `"s5m-5"`, "text"}, {"max_amount", `"9999.00"`, "most"}}},
	{"POST", "accounts/acme/rows", []member{{"row", `"own"`, "text"}, {"max_images", `5`, "count"}, {"qps", `{"search":5}`, "qps"}, {"price", `"9.00"`, "amount"}}},
	{"PATCH", "accounts/acme", []member{{"credit_limit", `"5.00"`, "limit"}, {"low_balance", `"5.00"`, "mark"}}},
	{"POST", "accounts", []member{{"account", `"new"`, "text"}, {"credit_limit", `"5.00"`, "limit"}, {"low_balance", `"5.00"`, "mark"}}},
}

// badAmounts are none, wherever an amount is wanted.
var badAmounts = []string{`"0.005"`, `"1e400"`, `"1e2"`, `"NaN"`, `"Infinity"`, `"-Infinity"`, `"9223372036854775807"`, `"9223372036854775808"`,
	`"92233720368547758.07"`, `"92233720368547758.08"`, `"-9223372036854775808"`, `"184467440737095516.16"`, `"1.00 "`, `"+1.00"`, `"1,00"`, `"0x1"`, `"1.000"`, `"١"`, `"."`,
	`-1`, `0`, `1`, `1.00`, `9223372036854775807`, `1e400`, `0.005`, `NaN`, `Infinity`, `true`, `["1.00"]`, `{"amount":"1.00"}`}

// badNumbers are none, wherever a whole number from 1 is wanted.
var badNumbers = []string{`-1`, `0`, `9223372036854775808`, `1e400`, `0.005`, `1.5`, `NaN`, `"1"`, `true`, `[1]`}

var badValues = map[string][]string{
	"amount": append([]string{`"-1"`, `"-0.01"`, `"0"`, `"0.00"`, `""`, `null`}, badAmounts...),
	"signed": append([]string{`"0"`, `"0.00"`, `"-0"`, `""`, `null`}, badAmounts...),
	"most":   append([]string{`"-1"`, `"0"`, `"23.99"`}, badAmounts...), // less than is due is refused, too
	"limit":  append([]string{`"-1"`, `"-0.01"`}, badAmounts...),
	"mark":   badAmounts, // may be below zero
	"months": append([]string{`37`, `9223372036854775807`}, badNumbers...),
	"count":  badNumbers,
	"qps":    {`{"search":-1}`, `{"search":0}`, `{"search":1e400}`, `{"search":0.5}`, `{"search":4294967296}`, `{"search":5,"search":6}`, `{}`, `5`, `NaN`},
	"text":   {`1`, `NaN`, `true`, `{}`, `"` + strings.Repeat("x", 2000) + `"`},
}

// rowBody writes members down, with one value replaced.
func rowBody(members []member, name, value string) string {
	var parts []string
	for _, m := range members {
		if m.name == name {
			m.good = value
		}
		parts = append(parts, fmt.Sprintf("%q:%s", m.name, m.good))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// badBodies are a command's bodies that must be refused.
func badBodies(members []member) (list []string) {
	good := rowBody(members, "", "")
	list = append(list, good[:len(good)-1], good+"{}", "["+good+"]", strings.Replace(good, "{", `{"free":true,`, 1))
	for _, m := range members {
		for _, bad := range badValues[m.kind] {
			list = append(list, rowBody(members, m.name, bad))
		}
		twice := fmt.Sprintf(`{%q:%s,`, m.name, m.good) // the same twice, and in other letters
		list = append(list, strings.Replace(good, "{", twice, 1), strings.Replace(good, "{", strings.ToUpper(twice), 1),
			strings.Replace(good, "{", fmt.Sprintf(`{"\u%04x%s":%s,`, m.name[0], m.name[1:], m.good), 1))
	}
	return list
}

// amountsScene has an account with a package and a subscription, and one that is as
// rich as can be.
func amountsScene(t *testing.T) *scene {
	clock, start := testClock("2026-11-10T09:00:00+08:00")
	s := newScene(t, "", clock, start+financeSetting())
	s.account("acme", "50000.00")
	s.do("POST", "/accounts/acme/packages", map[string]any{"package": "image-tagging-10k-1y"}, nil)
	s.subscribe("acme", "products", "s2500k-5")
	s.account("rich", mostMoney)
	s.do("POST", "/accounts/rich/rows", map[string]any{"row": "dear", "max_images": 5, "qps": map[string]any{"search": 5}, "price": mostMoney}, nil)
	return s
}

const mostMoney = "100000000000000.00"

// TestRow15Amounts: what is no amount, what sums up to none, and JSON that can be
// read in two ways are refused by every command that moves money, and change
// nothing: not even the journal knows of them. In the long form a thousand bodies
// are mutated at random on top.
func TestRow15Amounts(t *testing.T) {
	t.Parallel()
	r := newRow(t, 15, "amounts that are none", 1, 1000)
	defer r.end()
	s := amountsScene(t)
	state := func() string { return s.ledgerState("acme", "rich") }
	before, sent := state(), 0
	refuse := func(method, path, body string) {
		t.Helper()
		sent++
		reply := s.post(method, path, fmt.Sprint("bad ", sent), body)
		if now := state(); reply.Status < 400 || reply.Status > 499 || now != before {
			r.wrong++
			t.Errorf("%s %s %.300s: %d %s", method, path, body, reply.Status, reply.Body)
			before = now
		}
	}
	for _, c := range moneyCommands {
		for _, body := range badBodies(c.members) {
			refuse(c.method, c.path, body)
			if c.method == http.MethodPost && c.path != "accounts" && !strings.HasSuffix(c.path, "rows") {
				refuse(c.method, c.path+"/preview", body)
			}
		}
	}
	for _, c := range []struct{ path, body string }{ // sums out of range
		{"topups", `{"amount":"0.01","reference":"r"}`},
		{"topups", `{"amount":"` + mostMoney + `","reference":"r"}`},
		{"adjustments", `{"amount":"0.01","reason":"r","reference":"r"}`},
		{"subscriptions", `{"instance":"i","row":"dear","months":36}`},
		{"subscriptions", `{"instance":"i","row":"dear","months":2,"max_amount":"` + mostMoney + `"}`},
	} {
		refuse("POST", "accounts/rich/"+c.path, c.body)
	}
	listed := sent
	for _, c := range moneyCommands { // the good ones are good: what was refused was the bad value
		if reply := s.post(c.method, c.path, "good "+c.path, rowBody(c.members, "", "")); reply.Status >= 300 {
			t.Errorf("%s %s: %d %s", c.method, c.path, reply.Status, reply.Body)
		}
	}
	for range r.rounds {
		s.mutate(r, state)
	}
	r.note("%d listed bodies refused, %d mutated", listed, r.rounds)
}

// mutate sends a good body with some bytes changed. It is refused and changes
// nothing, or it is a command.
func (s *scene) mutate(r *row, state func() string) {
	c := moneyCommands[r.chance.IntN(len(moneyCommands))]
	body := []byte(rowBody(c.members, "", ""))
	const letters = "0123456789.,-+eE\"{}[]: nNaxX\\u\x00\x7f\xff"
	for range 1 + r.chance.IntN(4) {
		i := r.chance.IntN(len(body))
		switch r.chance.IntN(3) {
		case 0:
			body[i] = letters[r.chance.IntN(len(letters))]
		case 1:
			body = slices.Insert(body, i, letters[r.chance.IntN(len(letters))])
		default:
			body = slices.Delete(body, i, i+1)
		}
	}
	before := state()
	reply := s.post(c.method, c.path, fmt.Sprint("mutated ", r.chance.Uint64()), string(body))
	changed := state() != before
	if accepted := reply.Status >= 200 && reply.Status < 300; accepted != changed || !accepted && (reply.Status < 400 || reply.Status > 499) {
		r.wrong++
		s.t.Errorf("%s %s %q: %d %s; changed: %t", c.method, c.path, body, reply.Status, reply.Body, changed)
	}
}
