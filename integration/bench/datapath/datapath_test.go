package datapath

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/figure"
	"github.com/tallygate/tallygate/integration/bench/origin"
	"github.com/tallygate/tallygate/integration/bench/subject"
	"github.com/tallygate/tallygate/integration/harness"
)

func TestMain(m *testing.M) {
	origin.Main()
	harness.Main(m)
}

// TestPlan measures very little of everything. The calls that were counted are
// reconciled, and all figures are there; what they say is not judged.
func TestPlan(t *testing.T) {
	little := plan{slices.Clone(workloads), 1, 50 * time.Millisecond, time.Second}
	for i := range little.workloads {
		little.workloads[i].casts, little.workloads[i].rounds = 1, 1
	}
	report := figure.NewReport("")
	env := bench.Env{Binary: checkout(t), Dir: t.TempDir(), Seed: 1, Report: report, Log: t.Logf}
	if err := little.run(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	if err := report.Lines(&lines); err != nil {
		t.Fatal(err)
	}
	want := []string{"image_change_ms", "image_change_ms_8_clients", "cpu_share_ours_percent", "alloc_share_ours_percent"}
	for _, suffix := range []string{"", "_2_clients", "_half_load", "_1mb", "_h2"} {
		for _, name := range []string{"cpu_ratio_metered_vs_bare", "cpu_ratio_shipped_vs_default_caddy",
			"cpu_ratio_shipped_vs_tuned_caddy", "cpu_ratio_bare_vs_bare", "throughput_ratio_metered_vs_bare",
			"throughput_ratio_bare_vs_bare", "p99_ratio_metered_vs_bare", "p99_ratio_bare_vs_bare",
			"p99_slice_ratio_metered_vs_bare", "p99_slice_ratio_bare_vs_bare",
			"cpu_us_per_request_metered", "cpu_us_per_request_bare", "cpu_us_per_request_shipped",
			"cpu_us_per_request_tuned_caddy", "cpu_us_per_request_default_caddy",
			"collections_per_1000_requests_metered", "collections_per_1000_requests_bare"} {
			if suffix != "_half_load" || !strings.HasPrefix(name, "throughput") {
				want = append(want, name+suffix)
			}
		}
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^(\w+): -?[0-9.e-]+$`).FindAllStringSubmatch(lines.String(), -1) {
		got = append(got, m[1])
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got figures %v, want %v", got, want)
	}
	if left, err := filepath.Glob(filepath.Join(env.Dir, "gateways-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// checkout is a gateway in the build folder of what it ships with.
func checkout(t *testing.T) (binary string) {
	root := t.TempDir()
	binary = filepath.Join(root, "build", "tallygate")
	if err := os.Mkdir(filepath.Dir(binary), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, of := range map[string]string{binary: harness.Binary(t), filepath.Join(root, "Caddyfile.example"): "../../../Caddyfile.example",
		filepath.Join(root, "pricebook.yaml"): "../../../pricebook.yaml"} {
		of, err := filepath.Abs(of)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(of, name); err != nil {
			t.Fatal(err)
		}
	}
	return binary
}

// TestReconcile tells a gateway whose ledger has what the clients saw from those
// that have not.
func TestReconcile(t *testing.T) {
	answer := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/tallygate/accounts/bench/usage" {
			t.Errorf("asked for %s", r.URL)
		}
		fmt.Fprint(w, answer)
	}))
	defer s.Close()
	g := &gateway{kind: kind{name: "metered", metered: true}, running: subject.At(strings.TrimPrefix(s.URL, "http://"))}
	seen := func(string) int { return 12 }
	for of, good := range map[string]bool{
		`{"lines":[{"operation":"recognition/image-tagging","settled":2,"open":3},{"operation":"recognition/image-tagging","settled":7},{"operation":"search/add","open":1}]}`: true,
		`{"lines":[{"operation":"recognition/image-tagging","settled":2,"open":3}]}`:                                                                                           false,
		`{"lines":[{"operation":"search/add","open":12}]}`:                                                                                                                     false,
		`{"lines":[{"operation":"recognition/image-tagging","open":12}],"not_billed":[{"operation":"recognition/image-tagging","open":1}]}`:                                    false,
	} {
		answer = of
		if err := reconcile([]*gateway{g, {kind: kind{name: "bare"}}}, tagging, seen); (err == nil) != good {
			t.Errorf("%s: %v", of, err)
		}
	}
}

// TestCaddyfile makes every kind's of the Caddyfile that ships.
func TestCaddyfile(t *testing.T) {
	example, err := os.ReadFile("../../../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	a := addresses{site: "127.0.0.1:1", admin: "127.0.0.1:2", upstream: "127.0.0.1:3"}
	for _, k := range kinds {
		for _, h2 := range []bool{false, true} {
			text, err := caddyfile(string(example), k, a, h2)
			if err != nil {
				t.Fatal(err)
			}
			for line, want := range map[string]bool{
				"\tadmin 127.0.0.1:2\n": true, "\nhttp://127.0.0.1:1 {\n": true, "\treverse_proxy 127.0.0.1:3\n": true,
				"\n\ttallygate {\n": k.metered, "\n\tmeter {\n": k.metered, "tallygate_health": k.name == "shipped",
				"\t\t\tmember error_code absent\n":          k.metered,
				"\t\texclude http.handlers.reverse_proxy\n": k.settings != untouched,
				"\t\tprotocols h1 h2c\n":                    h2,
			} {
				if strings.Contains(text, line) != want {
					t.Errorf("%s has %q: %v\n%s", k.name, line, !want, text)
				}
			}
			if strings.Count(text, "{") != strings.Count(text, "}") {
				t.Errorf("%s has braces without their like:\n%s", k.name, text)
			}
		}
	}
}

func TestCaddyfileOfAnother(t *testing.T) {
	if _, err := caddyfile("{\n}\n", kinds[1], addresses{}, false); err == nil {
		t.Error("what cannot be found is no error")
	}
}
