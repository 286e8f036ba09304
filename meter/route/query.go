package route

import (
	"net/url"
	"strings"
)

// Parameter returns the value of a query parameter, "" where it is missing, and
// whether every server would read the same: false where the parameter is there
// twice, is badly encoded, a semicolon could be taken for a separator, or
// another name differs only in case, white space or what follows a NUL, since
// some servers overlook these.
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
			if seen, _, _ := strings.Cut(key, "\x00"); strings.EqualFold(strings.TrimSpace(seen), name) {
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
