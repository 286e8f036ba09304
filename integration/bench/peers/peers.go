// Package peers measures what one would use instead to limit calls by API key:
// nginx with limit_req, and HAProxy with a stick table, each against itself
// without. They come from Debian, and run with one worker and one thread.
package peers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/load"
	"github.com/tallygate/tallygate/integration/bench/origin"
	"github.com/tallygate/tallygate/integration/bench/paired"
	"github.com/tallygate/tallygate/integration/process"
)

// Part is this part of the benchmark.
var Part = bench.Part{Name: "peers", Run: Run}

const (
	clients = 8
	warmup  = 1200 * time.Millisecond
)

// body is what is sent.
const body = `{"url":"https://example.com/picture.jpg","limit":5}`

// peer is a proxy that can limit.
type peer struct {
	name      string
	limited   string // its name with the limit
	configure func(site, upstream, dir string, limited bool) string
	arguments func(config, dir string) []string
}

var all = []peer{
	{name: "nginx", limited: "nginx_limit_req", configure: nginx,
		arguments: func(config, dir string) []string {
			return []string{"-p", dir, "-c", config, "-e", filepath.Join(dir, "error.log")}
		}},
	{name: "haproxy", limited: "haproxy_stick", configure: haproxy,
		arguments: func(config, _ string) []string { return []string{"-db", "-f", config} }},
}

// Run measures the peers that can be had.
func Run(ctx context.Context, env bench.Env) error {
	rounds := 100
	if env.Short {
		rounds = 40
	}
	return run(ctx, env, rounds, warmup)
}

func run(ctx context.Context, env bench.Env, rounds int, warmup time.Duration) error {
	up, upstream, err := origin.Start(env.Dir)
	if err != nil {
		return err
	}
	defer up.Kill()
	var sites []*paired.Site
	defer func() { paired.Close(sites) }()
	var had []peer
	for _, p := range all {
		program, err := unpacked(env.Dir, p.name)
		if err != nil {
			env.Log("left out: %s cannot be had from Debian: %v", p.name, err)
			continue
		}
		had = append(had, p)
		for _, as := range []string{p.name, p.name + "_again", p.limited} {
			server, address, err := p.start(program, filepath.Join(env.Dir, as+"-run"), upstream, as == p.limited)
			if err != nil {
				return err
			}
			defer server.Kill()
			crowd, err := load.HTTP1(address, clients, load.Request{Path: origin.Tagging, Key: "tg_bench", Type: "application/json",
				Body: load.Fixed(body)})
			if err != nil {
				return err
			}
			sites = append(sites, &paired.Site{Name: as, PID: server.PID, Crowd: crowd})
		}
	}
	for _, s := range sites {
		if _, err := s.Warm(ctx, warmup); err != nil {
			return err
		}
	}
	env.Log("%d rounds", rounds)
	slices, err := paired.Run(ctx, sites, rounds, rand.New(rand.NewPCG(env.Seed, 2)))
	if err != nil {
		return err
	}
	for _, p := range had {
		p.report(env, slices)
	}
	return nil
}

// start runs a peer in a folder of its own, and returns when it listens.
func (p peer) start(program program, dir, upstream string, limited bool) (*process.Process, string, error) {
	address, err := process.FreeAddress()
	if err != nil {
		return nil, "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, "", err
	}
	config := filepath.Join(dir, p.name+".conf")
	if err := os.WriteFile(config, []byte(p.configure(address, upstream, dir, limited)), 0o644); err != nil {
		return nil, "", err
	}
	cmd := exec.Command(program.path, p.arguments(config, dir)...)
	cmd.Env, cmd.Dir = program.env, dir
	server, err := process.Launch(cmd, filepath.Join(dir, "output.log"))
	if err != nil {
		return nil, "", err
	}
	if err := origin.Await(server, address); err != nil {
		return nil, "", fmt.Errorf("%s: %w; see %s", p.name, err, dir)
	}
	return server, address, nil
}

// report adds a peer's figures.
func (p peer) report(env bench.Env, s paired.Slices) {
	what := fmt.Sprintf("; %d clients, HTTP/1.1, %d B answered by %d B of JSON; ", clients, len(body), origin.Size(origin.Tagging))
	limit := paired.CPURatio("cpu_ratio_"+p.limited+"_vs_"+p.name, s[p.limited], s[p.name], env.Seed)
	limit.Method += what + "a limit by key that is never reached, one worker"
	noise := paired.CPURatio("cpu_ratio_"+p.name+"_vs_"+p.name, s[p.name+"_again"], s[p.name], env.Seed)
	noise.Method += what + "two processes of the same: the noise"
	env.Report.Add(limit)
	env.Report.Add(noise)
	for _, name := range []string{p.name, p.limited} {
		f := paired.CPUPerRequest("cpu_us_per_request_"+name, s[name], env.Seed)
		f.Method += what + "one worker"
		env.Report.Add(f)
	}
}
