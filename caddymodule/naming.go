package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter"
	"github.com/tallygate/tallygate/meter/names"
	"github.com/tallygate/tallygate/meter/route"
)

// Where a name may stand, beside header and query.
const (
	fromForm = "form"
	fromJSON = "json"
)

var fieldPlaces = []string{fromHeader, fromQuery, fromForm, fromJSON}

const (
	defaultPrefix = 64 << 10
	defaultBuffer = 8 << 20
	defaultWait   = 5 * time.Second
)

// naming is how requests of an operation say what they are for.
type naming struct {
	instance, product, picture Field
	images                     bool       // product and picture are named
	kind                       names.Kind // of bodies with a name in them, 0 = none are
	prefix, buffer             int
	wait                       time.Duration
}

// namingOf puts together the entries of Instances and Images that apply to an
// operation; -1 = none.
func (h *Handler) namingOf(instance, images int) (*naming, error) {
	if instance < 0 && images < 0 {
		return nil, nil
	}
	n := &naming{prefix: defaultPrefix, buffer: defaultBuffer, wait: defaultWait}
	if instance >= 0 {
		in := h.Instances[instance]
		if err := n.field(&n.instance, in.Field); err != nil || in.Name == "" {
			return nil, fmt.Errorf("instance %s: say where it stands, as in: instance search/* form InstanceName", in.Operations)
		}
		if in.Prefix > 0 {
			n.prefix = in.Prefix
		}
	}
	if images >= 0 {
		if err := n.ofImages(h.Images[images]); err != nil {
			return nil, fmt.Errorf("images %s: %w", h.Images[images].Operations, err)
		}
	}
	return n, nil
}

func (n *naming) ofImages(i Images) error {
	n.images = true
	if i.Product.Name == "" {
		return errors.New("say where the product stands, as in: product form ProductId")
	}
	if err := errors.Join(n.field(&n.product, i.Product), n.field(&n.picture, i.Picture)); err != nil {
		return err
	}
	if i.Buffer > 0 {
		n.buffer = i.Buffer
	}
	n.wait = orDefault(i.Wait, n.wait)
	return nil
}

// field takes over a place where a name stands.
func (n *naming) field(into *Field, f Field) error {
	*into = f
	kind := f.kind()
	switch {
	case f.From != "" && !slices.Contains(fieldPlaces, f.From) || (f.From == "") != (f.Name == ""):
		return fmt.Errorf("%q %q is no place in a request: use header, query, form or json, and a name", f.From, f.Name)
	case f.From == fromHeader:
		into.Name = http.CanonicalHeaderKey(f.Name)
	case kind != 0 && n.kind != 0 && kind != n.kind:
		return errors.New("a body is a form or JSON: let all names in it stand in the one or in the other")
	}
	n.kind = max(n.kind, kind)
	return nil
}

func (f Field) inBody() bool { return f.kind() != 0 }

func (f Field) kind() names.Kind {
	switch f.From {
	case fromForm:
		return names.Form
	case fromJSON:
		return names.JSON
	}
	return 0
}

// in reads a name outside of the body, "" for none, and false where it could be
// read in two ways. A name in the body must not stand in the query as well:
// some servers read either, in an order of their own.
func (f Field) in(r *http.Request) (string, bool) {
	switch f.From {
	case "":
		return "", true
	case fromHeader:
		values := r.Header[f.Name]
		if len(values) == 0 {
			return "", true
		}
		return values[0], len(values) == 1 && forwarded(r.Header, f.Name)
	}
	_, url := original(r)
	value, clear := route.Parameter(url.RawQuery, f.Name)
	if f.inBody() {
		return "", clear && value == ""
	}
	return value, clear
}

// forwarded reports whether a header field reaches the upstream: a proxy drops
// what the client declares to be for this connection only (RFC 9110, 7.6.1).
func forwarded(h http.Header, name string) bool {
	for _, list := range h["Connection"] {
		for option := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(option), name) {
				return false
			}
		}
	}
	return true
}

// reads reports whether more has to be read than where the instance stands
// outside of the body: what stands in the query must not stand in a form as well.
func (n *naming) reads() bool {
	return n != nil && (n.images || n.kind != 0 || n.instance.From == fromQuery)
}

// admit asks the meter about a call whose request has to be read to know what it
// is for. The body is held back until the instance is known, and where an image
// changes, until its call may go. See admission for the error.
func (n *naming) admit(m *meter.Meter, r *http.Request, call meter.Call, a *admission) (err error) {
	call.Images = n.images && m.KeepsImages(call.Operation)
	s, clear := n.open(r, call.Images)
	if s.body != nil {
		s.body.account, s.body.observe = call.Key.Account(), call.Observe
	}
	if clear {
		call.Instance, clear, err = s.instance()
	}
	a.body = s.body
	switch {
	case errors.Is(err, errCrowded):
		a.verdict, err = m.Refuse(call, account.MeteringUnavailable), nil
	case err != nil:
		return err
	case !clear:
		a.verdict = m.Refuse(call, account.WrongInstance)
	default:
		a.hold, a.verdict = m.Admit(call)
	}
	if a.verdict.Reason == 0 && a.hold.HasImage() {
		err = s.ready(m, r, a)
	}
	if err != nil || a.verdict.Reason != 0 {
		s.body.letGo()
	}
	return err
}

// ready brings a call that changes an image to where it may be forwarded.
func (s *subject) ready(m *meter.Meter, r *http.Request, a *admission) error {
	if a.hold.NeedsNames() {
		switch err := s.imageNames(); {
		case err == nil:
		case errors.Is(err, errTooLong) && a.verdict.Class == meter.ClassAdd:
			m.Withdraw(&a.hold, &a.verdict, account.ImageCapacity)
			return nil
		case errors.Is(err, errCrowded):
			m.Withdraw(&a.hold, &a.verdict, account.MeteringUnavailable)
			return nil
		case isAmbiguous(err):
			m.Withdraw(&a.hold, &a.verdict, account.WrongInstance)
			return nil
		default:
			m.Release(&a.hold, account.FailedUpstream)
			return unreadable(err)
		}
	}
	m.Ready(r.Context(), &a.hold, &a.verdict, s.known(), s.naming.wait)
	if a.verdict.Reason == 0 {
		s.follow(m, a.hold)
	}
	return nil
}

// unreadable is the error of a request that did not arrive, unless an earlier
// handler made one.
func unreadable(err error) error {
	var made caddyhttp.HandlerError
	if errors.As(err, &made) {
		return err
	}
	return caddyhttp.Error(http.StatusBadRequest, fmt.Errorf("reading the request: %w", err))
}
