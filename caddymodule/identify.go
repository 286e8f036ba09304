package caddymodule

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/tallygate/tallygate/meter"
	"github.com/tallygate/tallygate/meter/route"
)

// Where a key may stand.
const (
	fromHeader      = "header"
	fromBearer      = "bearer"
	fromQuery       = "query"
	fromPlaceholder = "placeholder"
)

// keySource reads the key from one place of a request. Where it stands twice it
// is not read at all: which of the two counts would be anyone's guess.
type keySource struct {
	from, name string
}

var errNoKey = errors.New("no key: say where requests carry it, as in: key header X-Api-Key")

func (h *Handler) provisionKeys() error {
	for _, k := range h.Keys {
		s := keySource{k.From, k.Name}
		switch k.From {
		case fromHeader:
			if strings.ContainsAny(k.Name, "_.") {
				return fmt.Errorf("key from header %s: Caddy drops header fields with _ or . in their name: choose another", k.Name)
			}
			s.name = http.CanonicalHeaderKey(k.Name)
		case fromPlaceholder:
			s.name = strings.TrimSuffix(strings.TrimPrefix(k.Name, "{"), "}")
		case fromQuery:
		case fromBearer:
			s.name = "Authorization"
		default:
			return fmt.Errorf("key from %q: use header, bearer, query or placeholder", k.From)
		}
		if s.name == "" {
			return fmt.Errorf("key from %s: name it, as in: key header X-Api-Key", k.From)
		}
		h.keys = append(h.keys, s)
	}
	if len(h.keys) == 0 && !h.TrustUpstreamSignature {
		return errNoKey
	}
	return nil
}

// identify finds out who sends a request.
func (h *Handler) identify(m *meter.Meter, r *http.Request) (meter.Key, bool) {
	for _, s := range h.keys {
		value, kind := s.read(r), meter.Secret
		if s.from == fromPlaceholder {
			kind = meter.Identity
		}
		if key, ok := lookup(m, kind, value); ok {
			return key, true
		}
	}
	if h.TrustUpstreamSignature {
		return lookup(m, meter.AccessKeyID, accessKeyID(single(r.Header["Authorization"])))
	}
	return meter.Key{}, false
}

func lookup(m *meter.Meter, kind meter.KeyKind, value string) (meter.Key, bool) {
	if value == "" {
		return meter.Key{}, false
	}
	if key, ok := m.Identify(kind, hash(value)); ok {
		return key, true
	}
	return meter.Key{}, false
}

// hash is the SHA-256 of a string, without allocation for keys of usual length.
func hash(s string) [sha256.Size]byte {
	var buffer [128]byte
	if len(s) > len(buffer) {
		return sha256.Sum256([]byte(s))
	}
	return sha256.Sum256(buffer[:copy(buffer[:], s)])
}

func (s keySource) read(r *http.Request) string {
	switch s.from {
	case fromHeader:
		return single(r.Header[s.name])
	case fromBearer:
		token, _ := bearer(single(r.Header[s.name]))
		return token
	case fromQuery:
		value, _ := route.Parameter(r.URL.RawQuery, s.name)
		return value
	}
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		value, _ := repl.GetString(s.name)
		return value
	}
	return ""
}

func single(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

func bearer(authorization string) (token string, ok bool) {
	const scheme = "bearer "
	if len(authorization) < len(scheme) || !strings.EqualFold(authorization[:len(scheme)], scheme) {
		return "", false
	}
	return strings.TrimSpace(authorization[len(scheme):]), true
}

// accessKeyID reads the id from the signature of a vendor's SDK:
//
//	SDK-HMAC-SHA256 Access=ID, SignedHeaders=…, Signature=…
//	acs ID:signature
//
// Where another id could be read from it, it reads none: the upstream might
// check the signature of the one and the gateway bill the other.
func accessKeyID(authorization string) string {
	if rest, ok := strings.CutPrefix(authorization, "SDK-HMAC-SHA256 Access="); ok {
		if id, others, _ := strings.Cut(rest, ","); !namesAccess(others) {
			return strings.TrimSpace(id)
		}
	}
	if rest, ok := strings.CutPrefix(authorization, "acs "); ok {
		if id, signature, _ := strings.Cut(rest, ":"); strings.IndexByte(signature, ':') < 0 {
			return strings.TrimSpace(id)
		}
	}
	return ""
}

// namesAccess reports whether the rest of a signature has an id of its own.
func namesAccess(rest string) bool {
	for word := range strings.FieldsFuncSeq(rest, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' }) {
		if name, _, _ := strings.Cut(word, "="); strings.EqualFold(name, "access") {
			return true
		}
	}
	return false
}

// hideKeys takes the keys out of a request before it is forwarded: all of them,
// not only the one that was recognised.
func (h *Handler) hideKeys(r *http.Request) {
	if h.ForwardKey {
		return
	}
	for _, s := range h.keys {
		switch s.from {
		case fromHeader:
			delete(r.Header, s.name)
		case fromBearer:
			for _, v := range r.Header[s.name] {
				if _, ok := bearer(v); ok {
					delete(r.Header, s.name)
					break
				}
			}
		case fromQuery:
			if q := route.Without(r.URL.RawQuery, s.name); q != r.URL.RawQuery {
				r.URL.RawQuery = q
				r.RequestURI = r.URL.RequestURI()
			}
			_, sent := original(r) // from which Caddy restores the URL for handle_errors
			sent.RawQuery = route.Without(sent.RawQuery, s.name)
		}
	}
}
