package route

import (
	"net/url"
	"strings"
	"unicode"
)

// Parameter returns the value of a query parameter, "" where it is missing, and
// whether every server would read the same: false where the parameter is there
// twice, is badly encoded, a semicolon could be taken for a separator, or
// another name is alike.
func Parameter(query, name string) (value string, clear bool) {
	found := false
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		key, raw, _ := strings.Cut(pair, "=")
		if strings.IndexByte(pair, ';') >= 0 {
			return "", false
		}
		key, ok := unescape(key)
		if !ok {
			return "", false
		}
		if key != name {
			if Alike(key, name) {
				return "", false
			}
			continue
		}
		v, ok := unescape(raw)
		if !ok || found {
			return "", false
		}
		value, found = v, true
	}
	return value, true
}

// Alike reports whether a server that overlooks something in the name of a
// parameter would take this one for the other: case, white space, escapes, what
// follows a NUL; a byte order mark at a form's beginning (Node); the brackets of
// a list, name[] or [name] (PHP, Rack, Node); quotes (PHP); a ! for a default
// value (Spring); a dot or a space where PHP reads _.
func Alike(name, wanted string) bool {
	return len(name) >= len(wanted) && strings.EqualFold(seen(name), seen(wanted))
}

// seen is what such servers see of a name.
func seen(name string) string {
	name, _, _ = strings.Cut(name, "\x00")
	name = strings.TrimFunc(name, ornament)
	name, _, _ = strings.Cut(name, "[")
	return strings.Map(letter, strings.TrimFunc(name, ornament))
}

func ornament(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune("\ufeff[]!'\"\\", c) }

// letter is a letter as it is compared; -1 = not at all. Java takes both Turkish
// letters for an i.
func letter(c rune) rune {
	switch c {
	case '\\':
		return -1
	case '.', ' ':
		return '_'
	case 'İ', 'ı':
		return 'i'
	}
	return c
}

// Without returns a query without any parameter of that name.
func Without(query, name string) string {
	var kept strings.Builder
	cut := false
	for rest := query; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		key, _, _ := strings.Cut(pair, "=")
		if key, _ = unescape(key); key == name {
			cut = true
			continue
		}
		if kept.Len() > 0 {
			kept.WriteByte('&')
		}
		kept.WriteString(pair)
	}
	if !cut {
		return query
	}
	return kept.String()
}

// unescape decodes a piece of a query. What is plain is returned as it is.
func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, true
	}
	s, err := url.QueryUnescape(s)
	return s, err == nil
}
