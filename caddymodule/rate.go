package caddymodule

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// The fields of the IETF draft draft-ietf-httpapi-ratelimit-headers, as
// net/http spells them.
const (
	rateField   = "Ratelimit"
	policyField = "Ratelimit-Policy"
)

// commonLimit is up to which limit field values are made once and kept.
const commonLimit = 256

// rateValues are the fields' values for one limit.
type rateValues struct {
	policy    []string
	remaining [][]string // by calls that are left
}

var rates [commonLimit + 1]atomic.Pointer[rateValues]

// setRate tells a client its rate, in place of what an upstream says of its own.
func setRate(h http.Header, limit, remaining uint32) {
	if limit > commonLimit || remaining > limit {
		h[policyField], h[rateField] = policyValue(limit), rateValue(remaining)
		return
	}
	v := rates[limit].Load()
	if v == nil {
		v = makeRate(limit)
		rates[limit].Store(v)
	}
	h[policyField], h[rateField] = v.policy, v.remaining[remaining]
}

func makeRate(limit uint32) *rateValues {
	v := &rateValues{policy: policyValue(limit)}
	for n := range limit + 1 {
		v.remaining = append(v.remaining, rateValue(n))
	}
	return v
}

func policyValue(limit uint32) []string {
	return []string{fmt.Sprintf(`"calls";q=%d;w=1`, limit)}
}

// rateValue says that there is more room in a second at most: the window is one
// second long (D27), and the field counts whole ones.
func rateValue(remaining uint32) []string {
	return []string{fmt.Sprintf(`"calls";r=%d;t=1`, remaining)}
}
