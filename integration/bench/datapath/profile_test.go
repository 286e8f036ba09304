package datapath

import (
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
)

// TestShareOfOurs: what our functions call of the library is ours, what the proxy
// does beneath them is not.
func TestShareOfOurs(t *testing.T) {
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples"}, {Type: "cpu"}}}
	for stack, value := range map[string]int64{
		"crypto/sha256.Sum256;" + module + "meter.A;net/http.serve":            30,
		module + "meter.B;" + module + "caddymodule.C;net/http.serve":          20,
		"net.write;net/http.(*response).Write;" + module + "caddymodule.Write": 40,
		"runtime.gcBgMarkWorker": 10,
	} {
		s := &profile.Sample{Value: []int64{1, value}}
		for name := range strings.SplitSeq(stack, ";") {
			s.Location = append(s.Location, &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: name}}}})
		}
		p.Sample = append(p.Sample, s)
	}
	f, err := shareOfOurs(p, "cpu", time.Second)
	if err != nil || f.Value != 50 || !strings.Contains(f.Method, "meter.A 30 %, meter.B 20 %") {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := shareOfOurs(p, "alloc_space", time.Second); err == nil {
		t.Error("no error without such samples")
	}
}
