// Package datapath measures what a call through the gateway costs, against the
// same binary with reverse_proxy alone. Processes run side by side:
//
//	metered       with tallygate and meter       even settings
//	bare          without                        even settings
//	bare_again    without                        even settings
//	shipped       as Caddyfile.example is        tuned, as it ships
//	tuned_caddy   without                        tuned, as it ships
//	default_caddy without                        untouched, as Caddy comes
//
// bare_again against bare is the noise: two processes of the same.
package datapath

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/load"
	"github.com/tallygate/tallygate/integration/bench/origin"
	"github.com/tallygate/tallygate/integration/bench/paired"
)

// Part is this part of the benchmark.
var Part = bench.Part{Name: "datapath", Run: Run}

var kinds = []kind{
	{name: "metered", metered: true, settings: even},
	{name: "bare", settings: even},
	{name: "bare_again", settings: even},
	{name: "shipped", metered: true},
	{name: "tuned_caddy"},
	{name: "default_caddy", settings: untouched},
}

// Clients of each site, each with one request under way: so many that their calls
// queue for two cores, where the tail of latencies is the queue's, and so few that
// they hardly do.
const (
	clients    = 8
	fewClients = 2
)

// Operations that are measured, as the Caddyfile names them.
const (
	tagging = "recognition/image-tagging"
	add     = "search/add"
)

// workload is a way of calling.
type workload struct {
	suffix  string // of the names of its figures
	path    string
	h2      bool
	clients int
	due     float64 // how many requests, as a part of those that bare answers at most; 0: each client sends the next once it is answered
	casts   int     // sets of processes: what one has by chance, such as where its memory lies, evens out over some
	rounds  int     // of each cast
	how     string  // in words
}

var workloads = []workload{
	{suffix: "", path: origin.Tagging, clients: clients, casts: 8, rounds: 25, how: "HTTP/1.1"},
	{suffix: "_2_clients", path: origin.Tagging, clients: fewClients, casts: 2, rounds: 30, how: "HTTP/1.1"},
	{suffix: "_half_load", path: origin.Tagging, clients: clients, due: 0.5, casts: 2, rounds: 25,
		how: "HTTP/1.1, half as many requests a second due as bare answers, so that the tail is not the queue's, at exponential gaps, latencies from when they were due"},
	{suffix: "_1mb", path: origin.LargeTagging, clients: clients, casts: 4, rounds: 10, how: "HTTP/1.1"},
	{suffix: "_h2", path: origin.Tagging, h2: true, clients: clients, casts: 2, rounds: 25, how: "HTTP/2 without TLS over one connection"},
}

// plan is what is measured.
type plan struct {
	workloads   []workload
	imageRounds int // of adds, for each number of clients
	warmup      time.Duration
	profiled    time.Duration // how long each profile is taken, whole seconds
}

// Run measures all workloads, or the first in fewer rounds.
func Run(ctx context.Context, env bench.Env) error {
	p := plan{workloads, 40, warmMax, 10 * time.Second}
	if env.Short {
		w := workloads[0]
		w.casts, w.rounds = 2, 30
		p = plan{[]workload{w}, 0, warmMax, 0}
	}
	return p.run(ctx, env)
}

func (p plan) run(ctx context.Context, env bench.Env) error {
	up, address, err := origin.Start(env.Dir)
	if err != nil {
		return err
	}
	defer up.Kill()
	random := rand.New(rand.NewPCG(env.Seed, 1))
	for _, w := range p.workloads {
		all, collected := make(paired.Slices), make(collections)
		for i := range w.casts {
			env.Log("tagging%s: processes %d of %d, %d rounds", w.suffix, i+1, w.casts, w.rounds)
			slices, err := w.cast(ctx, env, address, p.warmup, random, collected)
			if err != nil {
				return err
			}
			all.Append(slices)
		}
		w.report(env, all)
		w.reportCollections(env, all, collected)
	}
	if p.imageRounds == 0 {
		return nil
	}
	if err := p.profiles(ctx, env, address); err != nil {
		return err
	}
	return p.images(ctx, env, address, random)
}

// stage starts gateways in a folder that is removed afterwards, unless there was
// an error.
func stage(env bench.Env, kinds []kind, upstream string, h2 bool, play func([]*gateway) error) (err error) {
	dir, err := os.MkdirTemp(env.Dir, "gateways-")
	if err != nil {
		return err
	}
	var gateways []*gateway
	defer func() {
		for _, g := range gateways {
			g.running.Kill()
		}
		if err == nil {
			err = os.RemoveAll(dir)
		}
	}()
	for _, k := range kinds {
		g, err := start(env, k, filepath.Join(dir, k.name), upstream, h2)
		if err != nil {
			return err
		}
		gateways = append(gateways, g)
	}
	return play(gateways)
}

// cast measures one set of processes, and adds what they collected meanwhile.
func (w workload) cast(ctx context.Context, env bench.Env, upstream string, warmup time.Duration, random *rand.Rand, collected collections) (slices paired.Slices, err error) {
	request := load.Request{Path: w.path, Type: "application/json", Body: load.Fixed(body)}
	err = stage(env, kinds, upstream, w.h2, func(gateways []*gateway) error {
		sites, err := connect(gateways, w.clients, w.h2, request)
		if err != nil {
			return err
		}
		defer paired.Close(sites)
		warm, err := warm(ctx, gateways, sites, warmup)
		if err != nil {
			return err
		}
		rate, err := w.rate(ctx, env, sites, min(warmup, warmMin))
		if err != nil {
			return err
		}
		if err := collected.add(gateways, -1); err != nil {
			return err
		}
		if slices, err = paired.RunAt(ctx, sites, w.rounds, rate, random); err != nil {
			return err
		}
		if err := collected.add(gateways, 1); err != nil {
			return err
		}
		return reconcile(gateways, tagging, func(name string) int { return warm[name] + paired.Requests(slices[name]) })
	})
	return slices, err
}

// body is what is sent to be tagged.
const body = `{"url":"https://example.com/picture.jpg","limit":5}`

// connect makes the same clients for each gateway. Those without a meter are
// sent a key as well.
func connect(gateways []*gateway, clients int, h2 bool, request load.Request) (sites []*paired.Site, err error) {
	for _, g := range gateways {
		if request.Key = g.key; !g.metered {
			request.Key = gateways[0].key
		}
		var crowd load.Crowd
		if h2 {
			crowd = load.HTTP2(g.site, clients, request)
		} else if crowd, err = load.HTTP1(g.site, clients, request); err != nil {
			paired.Close(sites)
			return nil, fmt.Errorf("%s: %w", g.name, err)
		}
		sites = append(sites, &paired.Site{Name: g.name, PID: g.running.PID, Crowd: crowd})
	}
	return sites, nil
}
