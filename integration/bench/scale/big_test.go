package scale

import (
	"os"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/figure"
	"github.com/tallygate/tallygate/integration/bench/origin"
	"github.com/tallygate/tallygate/integration/harness"
)

func TestBig(t *testing.T) {
	dir := "/tmp/w/big"
	report := figure.NewReport("")
	env := bench.Env{Binary: harness.Binary(t), Dir: dir, Seed: 1, Report: report, Log: t.Logf}
	os.MkdirAll(dir, 0o755)
	up, upstream, err := origin.Start(env.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer up.Kill()
	p := plan{rounds: 3, before: 8 * time.Second}
	m, err := p.measure(t.Context(), env, upstream, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	_ = m
}
