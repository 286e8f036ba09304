package names

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"
)

// Each fuzz test compares with the standard library: what a parser accepts, the
// library reads the same; what it refuses, the library refuses too, unless the
// body is refused for what servers make of it differently.

func seed(f *testing.F, contentType string) {
	for _, c := range bodies {
		if c.contentType == contentType && len(c.body) < 1000 {
			f.Add([]byte(c.body), uint8(3))
		}
	}
}

// bothWays reads a body whole and in chunks.
func bothWays(t *testing.T, contentType string, body []byte, chunk uint8) string {
	whole := read(t, contentType, body, len(body)+1)
	if cut := read(t, contentType, body, int(chunk)+1); cut != whole {
		t.Fatalf("%q\nwhole: %s\nin chunks of %d: %s", body, whole, int(chunk)+1, cut)
	}
	return whole
}

func accepted(said string) bool { return said != twice && said != tooLong && said != unreadable }

func FuzzForm(f *testing.F) {
	seed(f, formType)
	f.Fuzz(func(t *testing.T, body []byte, chunk uint8) {
		got := bothWays(t, formType, body, chunk)
		values, err := url.ParseQuery(string(body))
		if !accepted(got) {
			plain := err == nil
			for key, list := range values {
				for _, w := range wanted {
					plain = plain && !(alike([]byte(key), w) && (key != w || len(list) > 1))
				}
				plain = plain && len(key) <= MaxValue && len(list[0]) <= MaxValue
			}
			if plain {
				t.Fatalf("%q: %s, and ParseQuery says %v", body, got, values)
			}
			return
		}
		var want []string
		for _, w := range wanted {
			want = append(want, values.Get(w))
			if len(values[w]) > 1 {
				t.Fatalf("%q: %s, and ParseQuery says %q", body, got, values[w])
			}
		}
		if got != fmt.Sprintf("%q", want) {
			t.Fatalf("%q: %s, and ParseQuery says %q", body, got, want)
		}
	})
}

func FuzzJSON(f *testing.F) {
	seed(f, jsonType)
	f.Fuzz(func(t *testing.T, body []byte, chunk uint8) {
		got := bothWays(t, jsonType, body, chunk)
		var members map[string]json.RawMessage
		err := json.Unmarshal(body, &members)
		if !accepted(got) {
			if got == unreadable && err == nil && members != nil && plainMembers(body, members) {
				t.Fatalf("%q: %s, and encoding/json says %s", body, got, members)
			}
			return
		}
		if err != nil {
			t.Fatalf("%q: %s, and encoding/json says %v", body, got, err)
		}
		want := make([]string, len(wanted))
		for i, w := range wanted {
			if raw := members[w]; raw != nil {
				if err := json.Unmarshal(raw, &want[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got != fmt.Sprintf("%q", want) {
			t.Fatalf("%q: %s, and encoding/json says %q", body, got, want)
		}
	})
}

// plainMembers: nothing in the object could be read in two ways.
func plainMembers(body []byte, members map[string]json.RawMessage) bool {
	if bytes.Contains(bytes.ToLower(body), []byte(`\ud`)) || !bytes.Equal(body, bytes.ToValidUTF8(body, nil)) ||
		bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) >= maxDepth {
		return false
	}
	for _, w := range wanted {
		if raw := members[w]; raw != nil && raw[0] != '"' && raw[0] != 'n' {
			return false
		}
	}
	// Of a member that stands twice only the last is in members.
	return !strings.Contains(fmt.Sprint(duplicates(body)), "true")
}

func duplicates(body []byte) bool {
	d := json.NewDecoder(bytes.NewReader(body))
	seen := make(map[string]bool)
	d.Token()
	for d.More() {
		key, err := d.Token()
		name, ok := key.(string)
		if err != nil || !ok || seen[name] {
			return true
		}
		seen[name] = true
		var skip json.RawMessage
		if d.Decode(&skip) != nil {
			return true
		}
	}
	return false
}

func FuzzMultipart(f *testing.F) {
	seed(f, multipartType)
	f.Fuzz(func(t *testing.T, body []byte, chunk uint8) {
		got := bothWays(t, multipartType, body, chunk)
		if !accepted(got) {
			return // much that the library accepts is refused
		}
		want := make([]string, len(wanted))
		r := multipart.NewReader(bytes.NewReader(body), "XX")
		for {
			p, err := r.NextPart()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%q: %s, and multipart says %v", body, got, err)
			}
			content, err := io.ReadAll(p)
			for i, w := range wanted {
				if p.FormName() == w {
					want[i] = string(content)
				}
			}
			if err != nil {
				t.Fatalf("%q: %s, and multipart says %v", body, got, err)
			}
		}
		if got != fmt.Sprintf("%q", want) {
			t.Fatalf("%q: %s, and multipart says %q", body, got, want)
		}
	})
}
