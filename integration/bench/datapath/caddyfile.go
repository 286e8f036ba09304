package datapath

import (
	"fmt"
	"strings"
	"time"
)

// kind is what a gateway is configured as.
type kind struct {
	name     string
	metered  bool // with tallygate and meter; else reverse_proxy alone
	settings settings
}

// settings of the log and of the garbage collector.
type settings int

const (
	// tuned are those that ship: the log settings of Caddyfile.example, and what
	// package tune sets.
	tuned settings = iota
	// even are the same log settings and a memory limit instead of GOGC, so that
	// collections come after about as many calls with and without a ledger. By GOGC
	// they are the rarer the more memory is in use otherwise: a meter would seem to
	// save CPU.
	even
	// untouched is Caddy as it comes.
	untouched
)

func (s settings) String() string {
	switch s {
	case even:
		return "the log settings that ship, GOGC=off and GOMEMLIMIT=" + evenLimit
	case untouched:
		return "no log settings, GOGC=100 and no GOMEMLIMIT"
	}
	return "the log and GC settings that ship"
}

// evenLimit of memory is a multiple of what a gateway of any kind has in use, of
// which a ledger's newest table is the largest part (21 MiB): all have most of it for
// new objects.
const evenLimit = "256MiB"

// environment for the garbage collector.
func (s settings) environment() []string {
	switch s {
	case even:
		return []string{"GOGC=off", "GOMEMLIMIT=" + evenLimit}
	case untouched:
		return []string{"GOGC=100", "GOMEMLIMIT=off"}
	}
	return []string{"GOGC=", "GOMEMLIMIT="} // the binary sets them itself
}

// addresses are where a gateway listens, and what is behind it.
type addresses struct{ site, admin, upstream string }

// caddyfile makes what a kind needs of the Caddyfile that ships.
func caddyfile(example string, k kind, a addresses, h2 bool) (string, error) {
	e := &editor{text: example}
	e.replace("admin localhost:2019", "admin "+a.admin)
	e.replace("http://127.0.0.1:8080", "http://"+a.site)
	e.replace("reverse_proxy 127.0.0.1:9000", "reverse_proxy "+a.upstream)
	e.replace("timezone +08:00", fmt.Sprintf("timezone %+03d:00", 12-time.Now().UTC().Hour())) // about noon: no month ends
	if h2 {
		e.replace("grace_period 10s", "grace_period 10s\n\tservers {\n\t\tprotocols h1 h2c\n\t}")
	}
	if !k.metered {
		e.cut("\ttallygate {")
		e.cut("\tmeter {")
	}
	if !k.metered || k.settings != tuned { // a route more, of which the path is matched for every call
		e.replace("\ttallygate_health /readyz\n", "")
	}
	if k.settings == untouched {
		e.cut("\tlog default {")
	}
	return e.text, e.err
}

func (k kind) String() string {
	if k.metered {
		return "with meter, " + k.settings.String()
	}
	return "reverse_proxy alone, " + k.settings.String()
}

// priceBook is that which ships, with a quota that is never reached for what is
// measured: the window and its fields are part of it.
func priceBook(shipped string) (string, error) {
	e := &editor{text: shipped}
	const entry = "  - operations: [recognition/image-tagging, recognition/main-object-detection]\n"
	e.replace(entry, entry+"    qps: 100_000\n")
	return e.text, e.err
}

// editor changes a text, in which what is to be changed must stand once. Its
// first error is kept.
type editor struct {
	text string
	err  error
}

func (e *editor) replace(old, with string) {
	if n := strings.Count(e.text, old); n != 1 && e.err == nil {
		e.err = fmt.Errorf("what ships has %q %d times, not once", old, n)
	}
	e.text = strings.Replace(e.text, old, with, 1)
}

// cut takes a block away, of which the first line is given. Its end is the first
// closing brace that stands as far to the right.
func (e *editor) cut(first string) {
	indent := first[:len(first)-len(strings.TrimLeft(first, "\t"))]
	start := strings.Index("\n"+e.text, "\n"+first+"\n")
	if start < 0 {
		if e.err == nil {
			e.err = fmt.Errorf("what ships has no block %q", first)
		}
		return
	}
	end := strings.Index(e.text[start:], "\n"+indent+"}\n")
	if end < 0 {
		if e.err == nil {
			e.err = fmt.Errorf("the block %q of what ships does not end", first)
		}
		return
	}
	e.text = e.text[:start] + e.text[start+end+len("\n"+indent+"}\n"):]
}
