package outcome

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

// odd asks for all that may be hard to compare.
var odd = compiled(Rule{Members: []Member{
	{Name: "a\\", Is: []any{"\ufffd", "é", -0.0, 1e5, true}},
	{Name: "\ufffd", Absent: true, Is: []any{1e300, "\"", "a\\", false}},
	{Name: "a\\", Not: []any{1e5, "done"}},
	{Name: `a\\`, Absent: true},
}})

// twoPasses is what ofText has to agree with: gjson alone.
func twoPasses(r *Rule, text []byte, whole bool) account.Kind {
	text = bytes.TrimPrefix(text, byteOrderMark)
	if whole && !gjson.ValidBytes(text) || !whole && !beginsJSON(string(text)) {
		return notJSON
	}
	passed, seen := true, map[int]bool{}
	if object := gjson.ParseBytes(text); object.IsObject() {
		object.ForEach(func(name, value gjson.Result) bool {
			for i, m := range r.Members {
				if m.Name == name.Str {
					seen[i] = true
					passed = passed && m.accepts(value)
				}
			}
			return passed
		})
	}
	for i, m := range r.Members {
		passed = passed && (!whole || seen[i] || m.mayLack())
	}
	if !passed {
		return failed
	}
	return ok
}

func checkText(t interface{ Fatalf(string, ...any) }, text string) {
	valid := eachMember(text, func(string, string) {})
	if valid != gjson.Valid(text) {
		t.Fatalf("%q: JSON: %v", text, valid)
	}
	if len(text) < 10000 && valid != json.Valid([]byte(text)) { // which goes so deep
		t.Fatalf("%q: JSON: %v, as encoding/json has it %v", text, valid, !valid)
	}
	for i, r := range []*Rule{recognition, search, wanting, odd} {
		for _, whole := range []bool{true, false} {
			got, _ := r.ofText([]byte(text), whole)
			if want := twoPasses(r, []byte(text), whole); len(text) <= r.Prefix && got != want {
				t.Fatalf("%q: rule %d, whole %v: %v, want %v", text, i, whole, got, want)
			}
		}
	}
}

var (
	spaces  = []string{"", "", "", "", " ", "\n\t", "\r"}
	strs    = []string{`error_code`, `error\u005fcode`, `Success`, `Code`, `state`, `\u0073tate`, `a\\`, `a\\\\`, `\ud800`, `\udc00\u0041`, `\ud83d\ude00`, `\"`, `\u00E9`, "é", "\xff", "done", `d\u006fne`, "", `\/\b\f\n\r\t`, "\x7f\x80"}
	scalars = []string{"null", "true", "false", "0", "-0", "0.0", "-0.0e0", "1", "1e5", "1E+5", "100000", "1e300", "1e999", "-1e-400", "12345678901234567890.5"}
	broken  = []string{"", "01", "-", "1.", ".5", "1e", "1e+", "+1", "-a", "0x1", "tru", "truE", "nul", "nan", "NaN", "Infinity", `"`, `"\x"`, `"\u00g0"`, `"\u123"`, "\"\\u\x10000\"", "\"\x00\"", "\"\x1f\"", `"\`, "]", "}", ",", ":", "(", "\x00", "\v1", "\u00a01"}
)

// jsonText draws a text, broken here and there.
func jsonText(t *rapid.T, depth int) string {
	pick := func(from []string) string { return rapid.SampledFrom(from).Draw(t, "token") }
	quote := func() string {
		pad := strings.Repeat("x", rapid.SampledFrom([]int{0, 0, 1, 6, 7, 8, 9, 15, 16}).Draw(t, "pad"))
		return `"` + pad + pick(strs) + pad + `"`
	}
	kind := rapid.IntRange(0, 39).Draw(t, "kind")
	switch {
	case kind == 39:
		return pick(broken)
	case kind >= 32:
		return quote()
	case kind >= 24 || depth == 0:
		return pick(scalars)
	}
	var parts []string
	for range rapid.IntRange(0, 4).Draw(t, "parts") {
		part := pick(spaces) + jsonText(t, depth-1) + pick(spaces)
		if kind < 18 {
			part = pick(spaces) + quote() + pick(spaces) + ":" + part
		}
		parts = append(parts, part)
	}
	text := pick(spaces) + strings.Join(parts, ",")
	if kind < 18 {
		return "{" + text + "}"
	}
	return "[" + text + "]"
}

func TestScanAgrees(t *testing.T) {
	t.Parallel()
	for _, text := range broken {
		checkText(t, text)
		checkText(t, `{"state":"done","a":[`+text+`]}`)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := jsonText(t, 4)
		checkText(t, text)
		at := rapid.IntRange(0, len(text)).Draw(t, "at")
		checkText(t, text[:at])
		put := string(rapid.SampledFrom([]byte("\"\\{}[]:,0-e. \v\x00\x1f\xff")).Draw(t, "put"))
		checkText(t, text[:at]+put+text[at:])
		checkText(t, text[:at]+put+text[min(at+1, len(text)):])
	})
}

// Every byte is seen wherever it stands in a string, and however long that is.
func TestScanStrings(t *testing.T) {
	t.Parallel()
	for size := range 20 {
		for at := range size {
			for c := range 256 {
				text := []byte(strings.Repeat("u", size))
				text[at] = byte(c)
				checkText(t, `"`+string(text)+`"`)
				checkText(t, `{"state":"`+string(text)+`","a":0}`)
			}
		}
	}
}

// Brackets are matched at every depth, and the stack does not grow with them as
// it would with a call for each.
func TestDeepText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var opening, ends []byte
		for range rapid.IntRange(1, 300).Draw(t, "depth") {
			if rapid.Bool().Draw(t, "object") {
				opening, ends = append(opening, `{"":`...), append(ends, '}')
			} else {
				opening, ends = append(opening, '['), append(ends, ']')
			}
		}
		text := append(opening, '1')
		for i := len(ends) - 1; i >= 0; i-- {
			text = append(text, ends[i])
		}
		checkText(t, string(text))
		text[len(text)-1-rapid.IntRange(0, len(ends)-1).Draw(t, "at")] ^= ']' ^ '}'
		checkText(t, string(text))
	})
	deep := strings.Repeat("[", maxPrefix/2) + strings.Repeat("]", maxPrefix/2)
	if !eachMember(deep, nil) || eachMember(deep[1:], nil) {
		t.Error("a deep text is not read")
	}
}

func FuzzScan(f *testing.F) {
	for _, list := range [][]string{broken, scalars} {
		for _, token := range list {
			f.Add(`{"error_code": [{"a":` + token + `}], "state":` + token + `}`)
		}
	}
	for _, s := range strs {
		f.Add(`{"` + s + `":"` + s + `"}`)
	}
	f.Add(answerOf(200))
	f.Fuzz(func(t *testing.T, text string) { checkText(t, text) })
}

func TestNoAllocations(t *testing.T) {
	body := Body{Seen: []byte(`{"Code":0,"Success":true,"x":{"y":["z\n"]}}`), Whole: true}
	if n := testing.AllocsPerRun(100, func() { search.OfBody(body) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
