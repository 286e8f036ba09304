package caddymodule

import (
	"net/http"
	"strconv"
	"sync/atomic"
)

// The fields of the IETF draft draft-ietf-httpapi-ratelimit-headers, as
// net/http spells them.
const (
	rateField   = "Ratelimit"
	policyField = "Ratelimit-Policy"
)

// Field values for so many limits, and for up to so many calls that are left, are
// made once and kept: they are sent with every call.
const (
	keptPolicies  = 256
	keptRemaining = 256
)

// policy is a field's value for one limit.
type policy struct {
	limit uint32
	value string
}

var (
	policies  [keptPolicies]atomic.Pointer[policy] // by the lowest bits of their limits
	remainder = makeRemainder()                    // values by calls that are left
)

func makeRemainder() (values [keptRemaining]string) {
	for n := range values {
		values[n] = makeRate(uint32(n))
	}
	return values
}

// setRate tells a client its rate, in place of what an upstream says of its own. The
// lists are of this response alone: Caddy's directive `header` edits them in place.
func setRate(h http.Header, limit, remaining uint32) {
	values := [...]string{policyValue(limit), rateValue(remaining)}
	h[policyField], h[rateField] = values[:1:1], values[1:]
}

func policyValue(limit uint32) string {
	kept := &policies[limit%keptPolicies]
	p := kept.Load()
	if p == nil || p.limit != limit {
		p = &policy{limit, field(`"calls";q=`, limit, `;w=1`)}
		kept.Store(p)
	}
	return p.value
}

func rateValue(remaining uint32) string {
	if remaining < keptRemaining {
		return remainder[remaining]
	}
	return makeRate(remaining)
}

// makeRate says that there is more room in a second at most: the window is one
// second long (D27), and the field counts whole ones.
func makeRate(remaining uint32) string { return field(`"calls";r=`, remaining, `;t=1`) }

func field(before string, n uint32, after string) string {
	var buffer [32]byte
	b := strconv.AppendUint(append(buffer[:0], before...), uint64(n), 10)
	return string(append(b, after...))
}
