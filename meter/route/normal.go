package route

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// Normal returns the normal form of a request's path, decoded, and whether it
// has one. What is matched and what is forwarded must be the same place for
// every server behind the gateway, so a path that two servers could read in two
// ways has no normal form: empty and dot segments, an encoded slash, percent
// sign, NUL or other control character, a backslash, a semicolon (some servers
// cut path parameters off), bytes that are not UTF-8. A trailing slash is kept.
//
// The form to forward is u.Path with an empty u.RawPath: Forward.
func Normal(u *url.URL) (string, bool) {
	if u.Opaque != "" || hasEncodedSlash(u.RawPath) {
		return "", false
	}
	p := u.Path
	if p == "" || p[0] != '/' {
		return "", false
	}
	plain := true
	for i := 0; i < len(p); i++ {
		if !special[p[i]] {
			continue
		}
		switch c := p[i]; {
		case c >= utf8.RuneSelf:
			plain = false
		case c != '/' || !goodSegment(p[i+1:]):
			return "", false
		}
	}
	return p, plain || utf8.ValidString(p)
}

// special are the bytes that are not simply part of a segment.
var special = makeSpecial()

func makeSpecial() (set [256]bool) {
	for c := range set {
		set[c] = c < ' ' || c >= 0x7f || strings.IndexByte(`/%\;`, byte(c)) >= 0
	}
	return set
}

// goodSegment judges the segment that begins after a slash. Only the last one
// may be empty.
func goodSegment(rest string) bool {
	if rest == "" {
		return true
	}
	switch rest[0] {
	case '/':
		return false
	case '.':
		end := strings.IndexByte(rest, '/')
		if end < 0 {
			end = len(rest)
		}
		return rest[:end] != "." && rest[:end] != ".."
	}
	return true
}

func hasEncodedSlash(raw string) bool {
	for {
		i := strings.IndexByte(raw, '%')
		if i < 0 || i+2 >= len(raw) {
			return false
		}
		if raw[i+1] == '2' && raw[i+2]|0x20 == 'f' {
			return true
		}
		raw = raw[i+1:]
	}
}

// Forward gives a URL the one encoding of its normal path.
func Forward(u *url.URL) { u.RawPath = "" }
