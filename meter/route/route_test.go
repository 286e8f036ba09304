package route

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var example = []Pattern{
	{Method: "POST", Path: "/v2/{project_id}/image/tagging"},    // 0
	{Method: "POST", Path: "/v2/image/add"},                     // 1
	{Method: "GET", Path: "/docs/*"},                            // 2
	{Method: "*", Path: "/docs/{page}/edit"},                    // 3
	{Method: "GET", Path: "/docs/"},                             // 4
	{Method: "POST", Path: "/", Action: "AddImage"},             // 5
	{Method: "POST", Path: "/", Action: "SearchImage"},          // 6
	{Method: "GET", Path: "/"},                                  // 7
	{Method: "POST", Path: "/v2/{project_id}/image/{anything}"}, // 8
	{Method: "*", Path: "/rpc"},                                 // 9
	{Method: "POST", Path: "/rpc", Action: "x"},                 // 10
	{Method: "POST", Path: "/v2/image/{project_id}/add"},        // 11
	{Method: "DELETE", Path: "/v2/images", Action: "a b"},       // 12
	{Method: "GET", Path: "/v2/{project_id}/add"},               // 13
}

func exampleTable(t testing.TB) *Table {
	var table Table
	for i, p := range example {
		if err := table.Add(p, i); err != nil {
			t.Fatal(err)
		}
	}
	return &table
}

func TestMatch(t *testing.T) {
	t.Parallel()
	table := exampleTable(t)
	for _, c := range []struct {
		method, path, query string
		want                int // -1: none
	}{
		{"POST", "/v2/p1/image/tagging", "", 0},
		{"POST", "/v2/p1/image/other", "", 8},
		{"POST", "/v2/image/add", "", 1},
		{"POST", "/v2/image/x/add", "", 11},
		{"POST", "/v2/image/image/tagging", "", 0}, // the literal branch leads nowhere
		{"GET", "/v2/image/add", "", 13},           // nor does the literal path
		{"PUT", "/v2/image/add", "", -1},
		{"POST", "/V2/image/add", "", -1},
		{"POST", "/v2/image/add/", "", -1},
		{"POST", "/v2/image", "", -1},
		{"POST", "/v2//image/tagging", "", -1},
		{"GET", "/docs/a", "", 2},
		{"HEAD", "/docs/a/b/c", "", 2},
		{"GET", "/docs/a/", "", -1},
		{"GET", "/docs", "", -1},
		{"GET", "/docs/", "", 4},
		{"GET", "/docs/a/edit", "", 3},
		{"PUT", "/docs/a/edit", "", 3},
		{"POST", "/", "Action=AddImage", 5},
		{"POST", "/", "Version=1&Action=SearchImage", 6},
		{"POST", "/", "%41ction=Add%49mage", 5},
		{"POST", "/", "Action=DeleteImage", -1},
		{"POST", "/", "", -1},
		{"POST", "/", "Action=AddImage&Action=SearchImage", -1},
		{"POST", "/", "Action=AddImage&%41ction=SearchImage", -1},
		{"POST", "/", "Action=AddImage;Action=SearchImage", -1},
		{"POST", "/", "Action=%zz", -1},
		{"POST", "/", "Action=AddImage&action=SearchImage", -1},
		{"POST", "/", "Action=AddImage&%20Action=SearchImage", -1},
		{"POST", "/", "Action=AddImage&+ACTION+=SearchImage", -1},
		{"POST", "/", "Action%00x=SearchImage&Action=AddImage", -1},
		{"POST", "/", "Action=AddImage&Action[]=SearchImage", -1},
		{"POST", "/", "[Action]=SearchImage&Action=AddImage", -1},
		{"POST", "/", "Action=AddImage&Actions=SearchImage", 5},
		{"GET", "/", "Action=AddImage", 7},
		{"POST", "/rpc", "Action=x", 10},
		{"POST", "/rpc", "Action=y", 9},
		{"GET", "/rpc", "Action=x", 9},
		{"DELETE", "/v2/images", "Action=a+b", 12},
	} {
		got, ok := table.Match(c.method, c.path, c.query)
		if !ok {
			got = -1
		}
		if got != c.want {
			t.Errorf("%s %s ?%s: %d, want %d", c.method, c.path, c.query, got, c.want)
		}
	}
}

// specificity tells apart how patterns of different paths match one path: a letter
// a segment, in the order of precedence; "" = the pattern's does not match.
func specificity(pattern, path string) string {
	wanted, segments := strings.Split(pattern[1:], "/"), strings.Split(path[1:], "/")
	var b strings.Builder
	for i, w := range wanted {
		if w == "*" && i < len(segments) && segments[len(segments)-1] != "" {
			return b.String() + "c"
		}
		switch {
		case i == len(segments), w == "*":
			return ""
		case w == segments[i]:
			b.WriteByte('a')
		case isParameter(w) && segments[i] != "":
			b.WriteByte('b')
		default:
			return ""
		}
	}
	if len(wanted) < len(segments) {
		return ""
	}
	return b.String()
}

// What matches is the first in the order of precedence, however it is found.
func TestMatchIsTheMostSpecific(t *testing.T) {
	t.Parallel()
	segments := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "{x}"}), 0, 4)
	last := rapid.SampledFrom([]string{"a", "{x}", "*", ""})
	pattern := rapid.Custom(func(t *rapid.T) Pattern {
		return Pattern{
			Method: rapid.SampledFrom([]string{"GET", "POST", "*"}).Draw(t, "method"),
			Path:   "/" + strings.Join(append(segments.Draw(t, "segments"), last.Draw(t, "last")), "/"),
			Action: rapid.SampledFrom([]string{"", "X", "Y"}).Draw(t, "action"),
		}
	})
	asked := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "*", "ab"}), 0, 4)
	end := rapid.SampledFrom([]string{"a", "c", "*", ""})
	rapid.Check(t, func(t *rapid.T) {
		var table Table
		rules := make(map[string][]rule) // by path
		for i, p := range rapid.SliceOfN(pattern, 1, 12).Draw(t, "patterns") {
			if table.Add(p, i) == nil {
				rules[p.Path] = append(rules[p.Path], rule{p, i})
			}
		}
		path := "/" + strings.Join(append(asked.Draw(t, "asked"), end.Draw(t, "end")), "/")
		m := match{
			method: rapid.SampledFrom([]string{"GET", "HEAD", "POST"}).Draw(t, "asked method"),
			query:  rapid.SampledFrom([]string{"", "Action=X", "Action=Y&Action=X"}).Draw(t, "query"),
		}
		want, best := -1, ""
		for p, rules := range rules {
			s := specificity(p, path)
			if r := m.choose(rules); s != "" && r != nil && (best == "" || s < best) {
				want, best = r.target, s
			}
		}
		if got, ok := table.Match(m.method, path, m.query); ok != (want >= 0) || ok && got != want {
			t.Fatalf("%s %s ?%s: %d %v, want %d of %v", m.method, path, m.query, got, ok, want, rules)
		}
	})
}

func TestMatchDoesNotAllocate(t *testing.T) {
	table := exampleTable(t)
	u, _ := url.Parse("/v2/0123456789abcdef0123456789abcdef/image/tagging?Action=x")
	if n := testing.AllocsPerRun(100, func() {
		path, _ := Normal(u)
		if _, ok := table.Match("POST", path, u.RawQuery); !ok {
			t.Fatal("no match")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNormal(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{ // "" = refused; the path as forwarded
		"/":                         "/",
		"/v2/image/add":             "/v2/image/add",
		"/v2/im%61ge/add":           "/v2/image/add",
		"/v2/%7Euser":               "/v2/~user",
		"/a%20b/caf%c3%a9":          "/a%20b/caf%C3%A9",
		"/a/.b/..c/d.":              "/a/.b/..c/d.",
		"/a/":                       "/a/",
		"/a%3Fb":                    "/a%3Fb",
		"//":                        "",
		"//a":                       "",
		"/a//b":                     "",
		"/a//":                      "",
		"/a/./b":                    "",
		"/a/../b":                   "",
		"/a/..":                     "",
		"/a/.":                      "",
		"/a/%2e%2e/b":               "",
		"/a/.%2E/b":                 "",
		"/a%2Fb":                    "",
		"/a%2fb":                    "",
		"/a%252Fb":                  "",
		"/a%25b":                    "",
		"/a\\b":                     "",
		"/a%5Cb":                    "",
		"/a%00b":                    "",
		"/a%0d%0ab":                 "",
		"/a%7f":                     "",
		"/a;jsessionid=1/b":         "",
		"/a/..;/b":                  "",
		"/a%3Bb":                    "",
		"/a%c0%af":                  "",
		"/a%ff":                     "",
		"*":                         "",
		"http://example.org":        "",
		"http://example.org/a%2e/b": "/a./b",
	} {
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		path, ok := Normal(u)
		if !ok {
			if want != "" {
				t.Errorf("%s: refused, want %s", raw, want)
			}
			continue
		}
		Forward(u)
		if got := u.EscapedPath(); got != want || u.Path != path {
			t.Errorf("%s: %s, want %q", raw, got, want)
		}
	}
}

// What is forwarded is read back as what was matched, whatever was sent.
func TestForwardIsWhatWasMatched(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom(strings.Split("/ . .. a %41 %2e %2F %25 %5c ; %3b + ~ ! ' ( %21 @ : %c3%a9 é %00 \\ %20 * = & ,", " "))
	rapid.Check(t, func(t *rapid.T) {
		raw := "/" + strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "")
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			return
		}
		path, ok := Normal(u)
		if !ok {
			return
		}
		Forward(u)
		forwarded := u.RequestURI()
		again, err := url.ParseRequestURI(forwarded)
		if err != nil {
			t.Fatalf("%q forwarded as %q: %v", raw, forwarded, err)
		}
		if p, ok := Normal(again); !ok || p != path {
			t.Fatalf("%q matched as %q, forwarded as %q", raw, path, forwarded)
		}
		Forward(again)
		if again.RequestURI() != forwarded {
			t.Fatalf("%q: two forms, %q and %q", raw, forwarded, again.RequestURI())
		}
	})
}

func TestAddErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    Pattern
		want string
	}{
		{Pattern{Method: "post", Path: "/a"}, "in capitals"},
		{Pattern{Path: "/a"}, "in capitals"},
		{Pattern{Method: "POST", Path: "a"}, "begins with a slash"},
		{Pattern{Method: "POST", Path: "/a//b"}, "without empty"},
		{Pattern{Method: "POST", Path: "/a%20"}, "decoded path"},
		{Pattern{Method: "POST", Path: "/a/*/b"}, `segment "*"`},
		{Pattern{Method: "POST", Path: "/a/x{id}"}, `segment "x{id}"`},
		{Pattern{Method: "POST", Path: "/a/{}"}, `segment "{}"`},
		{Pattern{Method: "POST", Path: "/v2/{other}/image/tagging"}, "is there twice"},
	} {
		if err := exampleTable(t).Add(c.p, 0); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.p, err, c.want)
		}
	}
}

func TestParameterAndWithout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		query, value string
		clear        bool
		without      string
	}{
		{"", "", true, ""},
		{"k=1", "1", true, ""},
		{"a=1&k=2&b=3", "2", true, "a=1&b=3"},
		{"a=1&%6b=%32", "2", true, "a=1"},
		{"k=1&k=1", "", false, ""},
		{"a=1;k=2", "", false, "a=1;k=2"},
		{"key=1", "", true, "key=1"},
		{"k", "", true, ""},
	} {
		value, clear := Parameter(c.query, "k")
		if value != c.value || clear != c.clear {
			t.Errorf("%q: %q %v", c.query, value, clear)
		}
		if got := Without(c.query, "k"); got != c.without {
			t.Errorf("%q without: %q, want %q", c.query, got, c.without)
		}
	}
}

func TestBest(t *testing.T) {
	t.Parallel()
	globs := []string{"*", "search/*", "search/add", "search/a*"}
	for name, want := range map[string]int{"search/add": 2, "search/all": 3, "search/x": 1, "other": 0} {
		if got := Best(globs, name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	if Best(globs[1:], "other") != -1 {
		t.Error("a glob matched what it must not")
	}
}

func BenchmarkMatch(b *testing.B) {
	table := exampleTable(b)
	u, _ := url.Parse("/v2/0123456789abcdef0123456789abcdef/image/tagging")
	for b.Loop() {
		path, _ := Normal(u)
		table.Match("POST", path, "")
	}
}
