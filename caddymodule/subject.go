package caddymodule

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tallygate/tallygate/meter"
	"github.com/tallygate/tallygate/meter/names"
)

// subject is what one request says it is for.
type subject struct {
	naming *naming
	body   *body     // nil where it has none, or nothing in it is looked for
	said   [3]string // instance, product, picture, where they stand outside of the body
}

const (
	theInstance = iota
	theProduct
	thePicture
)

// open reads what stands outside of the body, and makes ready to read the body.
// It returns false where the request cannot be read in one way only. Of product
// and picture it reads where the request changes images.
func (n *naming) open(r *http.Request, images bool) (s subject, clear bool) {
	s.naming = n
	fields := []Field{n.instance, n.product, n.picture}
	if !images {
		fields = fields[:1]
	}
	wanted := make([]string, len(fields))
	inBody, inQuery := false, false
	for i, f := range fields {
		if s.said[i], clear = f.in(r); !clear {
			return s, false
		}
		switch {
		case f.inBody():
			wanted[i], inBody = f.Name, true
		case f.From == fromQuery:
			wanted[i], inQuery = f.Name, true
		}
	}
	if !inBody && !(inQuery && sendsForm(r)) || r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return s, true
	}
	if !plain(r.Header["Content-Encoding"]) || len(r.Header["Content-Type"]) != 1 || !forwarded(r.Header, "Content-Type") {
		return s, false
	}
	kind := names.Form
	if inBody {
		kind = n.kind
	}
	parser, err := names.New(r.Header["Content-Type"][0], kind, wanted)
	if err != nil {
		return s, false
	}
	for i, f := range fields {
		if f.From == fromQuery {
			parser.Elsewhere(i)
		}
	}
	s.body = &body{source: r.Body, left: r.ContentLength, parser: parser}
	r.Body = s.body
	return s, true
}

// sendsForm reports whether some server may look for a name of the query in the
// body as well, and believe that (Go's FormValue, PHP's $_REQUEST).
func sendsForm(r *http.Request) bool {
	types := strings.ToLower(strings.Join(r.Header["Content-Type"], ","))
	return strings.Contains(types, "form-urlencoded") || strings.Contains(types, "form-data")
}

// plain reports whether a body is not compressed.
func plain(encodings []string) bool {
	for _, e := range encodings {
		if !strings.EqualFold(strings.TrimSpace(e), "identity") {
			return false
		}
	}
	return true
}

// value returns a name, and whether it is known by now.
func (s *subject) value(i int) (string, bool) {
	if s.body == nil || !s.field(i).inBody() {
		return s.said[i], true
	}
	return s.body.parser.Value(i)
}

func (s *subject) field(i int) Field {
	return [...]Field{s.naming.instance, s.naming.product, s.naming.picture}[i]
}

// instance reads on until the instance is known. It returns false where that is
// not to be known: it does not stand in the beginning of the body, or the body
// can be read in two ways.
func (s *subject) instance() (name string, clear bool, err error) {
	err = s.body.fill(s.naming.prefix, func() bool { _, known := s.value(theInstance); return known })
	if isAmbiguous(err) {
		return "", false, nil
	}
	if errors.Is(err, errCrowded) {
		return "", false, err
	}
	if err != nil {
		return "", false, unreadable(err)
	}
	name, _ = s.value(theInstance)
	return name, true, nil
}

// imageNames reads on until product and picture are known.
func (s *subject) imageNames() error {
	return s.body.fill(s.naming.buffer, func() bool { return s.known().Known() })
}

// known is what is known of product and picture by now.
func (s *subject) known() (n meter.ImageNames) {
	if name, ok := s.value(theProduct); ok {
		n.Product = meter.NameOf(name)
	}
	if name, ok := s.value(thePicture); ok {
		n.Picture = meter.NameOf(name)
	}
	return n
}

// follow tells the meter what becomes known while the body streams by.
func (s *subject) follow(m *meter.Meter, hold meter.Hold) {
	last := s.known()
	if s.body == nil || last.Known() {
		return
	}
	s.body.follow(func() {
		if n := s.known(); n != last {
			last = n
			m.Name(&hold, n)
		}
	})
}
