package peers

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/figure"
	"github.com/tallygate/tallygate/integration/bench/origin"
)

func TestMain(m *testing.M) {
	origin.Main()
	os.Exit(m.Run())
}

// TestWithoutDebian leaves out what cannot be had, and says so.
func TestWithoutDebian(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var said []string
	report := figure.NewReport("")
	env := bench.Env{Dir: t.TempDir(), Seed: 1, Report: report, Log: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}
	if err := run(t.Context(), env, 1, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	if err := report.Lines(&lines); err != nil || lines.Len() > 0 {
		t.Errorf("figures of nothing: %s, %v", &lines, err)
	}
	for _, p := range all {
		if want := "left out: " + p.name; !strings.Contains(strings.Join(said, "\n"), want) {
			t.Errorf("%q is not in %q", want, said)
		}
	}
}

// TestLimits: the two configurations of a peer differ by the limit alone.
func TestLimits(t *testing.T) {
	for name, words := range map[string][]string{"nginx": {"limit_req_zone $http_x_api_key ", "limit_req zone="}, "haproxy": {"stick-table ", "http-request deny "}} {
		for _, p := range all {
			if p.name != name {
				continue
			}
			bare, limited := p.configure("127.0.0.1:1", "127.0.0.1:2", "/d", false), p.configure("127.0.0.1:1", "127.0.0.1:2", "/d", true)
			for _, word := range words {
				if strings.Contains(bare, word) || !strings.Contains(limited, word) {
					t.Errorf("%s: %q in\n%s\nand\n%s", name, word, bare, limited)
				}
			}
			for _, address := range []string{"127.0.0.1:1", "127.0.0.1:2"} {
				if strings.Count(bare, address) != 1 || strings.Count(limited, address) != 1 {
					t.Errorf("%s: %s does not stand once in\n%s\nand\n%s", name, address, bare, limited)
				}
			}
		}
	}
}
