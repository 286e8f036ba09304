// Package outcome decides from a response whether a call succeeded (D1): by its
// status, by members of its JSON body, by its trailers.
//
//	rule := outcome.Rule{Status: []string{"2xx"}, Members: []outcome.Member{{Name: "error_code", Absent: true}}}
//	err := rule.Compile()
//	why := rule.OfStatus(200)                                  // 0: so far so good
//	why = rule.OfBody(outcome.Body{Seen: body, Whole: true})   // account.FailedBody, say
//
// A body is judged from its beginning, at most Prefix bytes of it, decompressed
// where it has to be.
package outcome

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/tallygate/tallygate/account"
)

// DefaultPrefix is how much of a body is looked at, in bytes.
const DefaultPrefix = 64 << 10

// maxPrefix bounds the memory that one response may take.
const maxPrefix = 4 << 20

// Rule says which responses are successes. Compile it before use; afterwards it
// is not changed and may be used by many at once.
type Rule struct {
	// Status lists the successful statuses: "200", or "2xx" for a whole class.
	// Default: 2xx.
	Status []string `json:"status,omitempty"`

	// Members is what has to be true of the members of the JSON body. Where
	// there are any, a body that is not JSON is a failure.
	Members []Member `json:"members,omitempty"`

	// Trailers are the values that trailers must have, such as grpc-status: 0.
	// A header of the name stands in for a missing trailer.
	Trailers map[string]string `json:"trailers,omitempty"`

	// Prefix is how many bytes of the body are looked at, before and after
	// decompression. Default: 65536.
	Prefix int `json:"prefix,omitempty"`

	statuses [10]uint64 // a bit for each status below 640
}

// Compile fills in the defaults and reports what is wrong.
func (r *Rule) Compile() error {
	if len(r.Status) == 0 {
		r.Status = []string{"2xx"}
	}
	for _, s := range r.Status {
		if err := r.addStatus(s); err != nil {
			return err
		}
	}
	if len(r.Members) > 64 {
		return fmt.Errorf("%d members: at most 64 can be asked for", len(r.Members))
	}
	for _, m := range r.Members {
		if err := m.check(); err != nil {
			return err
		}
	}
	if r.Prefix == 0 {
		r.Prefix = DefaultPrefix
	}
	if r.Prefix < 1 || r.Prefix > maxPrefix {
		return fmt.Errorf("prefix %d: choose from 1 byte to %d", r.Prefix, maxPrefix)
	}
	return nil
}

func (r *Rule) addStatus(s string) error {
	first, last := 0, 0
	if len(s) == 3 && s[1:] == "xx" {
		first = int(s[0]-'0') * 100
		last = first + 99
	} else if n, err := strconv.Atoi(s); err == nil {
		first, last = n, n
	}
	if first < 200 || last > 599 {
		return fmt.Errorf("status %q: write one from 200 to 599, or a class such as 2xx", s)
	}
	for n := first; n <= last; n++ {
		r.statuses[n/64] |= 1 << (n % 64)
	}
	return nil
}

// Status499 is what the proxy notes when the client left before the response.
const Status499 = 499

// OfStatus says why a status is a failure, 0 if it is none. 0 stands for no
// status at all, 101 for an upgraded connection (D3).
func (r *Rule) OfStatus(status int) account.Kind {
	switch {
	case status == 0, status == Status499:
		return account.FailedUpstream
	case status == http.StatusSwitchingProtocols:
		return account.FailedUpgrade
	case status < 640 && r.statuses[status/64]&(1<<(status%64)) != 0:
		return 0
	}
	return account.FailedStatus
}

// OfTrailers says why the trailers are a failure, 0 if they are none. They are
// looked for as net/http has them once the body is written: under their own
// names or under http.TrailerPrefix.
func (r *Rule) OfTrailers(h http.Header) account.Kind {
	for name, want := range r.Trailers {
		got, ok := h[http.TrailerPrefix+http.CanonicalHeaderKey(name)]
		if !ok {
			got = h.Values(name)
		}
		if len(got) != 1 || got[0] != want {
			return account.FailedBody
		}
	}
	return 0
}
