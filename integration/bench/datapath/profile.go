package datapath

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/figure"
	"github.com/tallygate/tallygate/integration/bench/load"
	"github.com/tallygate/tallygate/integration/bench/origin"
)

// profiles takes CPU and allocation profiles of a metered gateway under load, and
// reports which part of each is ours.
func (p plan) profiles(ctx context.Context, env bench.Env, upstream string) error {
	request := load.Request{Path: origin.Tagging, Type: "application/json", Body: load.Fixed(body)}
	return stage(env, kinds[:1], upstream, false, func(gateways []*gateway) error {
		sites, err := connect(gateways, clients, false, request)
		if err != nil {
			return err
		}
		defer sites[0].Crowd.Close()
		for _, kind := range []struct {
			name, sample string
			take         func(ctx context.Context, a time.Duration, serve func() error) (*profile.Profile, error)
		}{
			{"cpu", "cpu", gateways[0].cpu},
			{"alloc", "alloc_space", gateways[0].allocated},
		} {
			env.Log("profile: %s", kind.name)
			prof, err := kind.take(ctx, p.profiled, func() error {
				_, err := sites[0].Crowd.For(ctx, p.profiled+time.Second)
				return err
			})
			if err != nil {
				return err
			}
			f, err := shareOfOurs(prof, kind.sample, p.profiled)
			if err != nil {
				return err
			}
			f.Name = kind.name + "_share_ours_percent"
			env.Report.Add(f)
		}
		return nil
	})
}

// cpu profiles what is done while serve runs.
func (g *gateway) cpu(ctx context.Context, a time.Duration, serve func() error) (prof *profile.Profile, err error) {
	taken := make(chan error, 1)
	go func() {
		var err error
		prof, err = g.profile(ctx, fmt.Sprintf("profile?seconds=%d", int(a.Seconds())))
		taken <- err
	}()
	err = serve()
	return prof, errors.Join(err, <-taken)
}

// allocated profiles what serve has allocated. Such a profile is as of the last
// collection, so it takes one before and one after.
func (g *gateway) allocated(ctx context.Context, _ time.Duration, serve func() error) (*profile.Profile, error) {
	const now = "heap?gc=1"
	before, err := g.profile(ctx, now)
	if err != nil {
		return nil, err
	}
	if err := serve(); err != nil {
		return nil, err
	}
	after, err := g.profile(ctx, now)
	if err != nil {
		return nil, err
	}
	before.Scale(-1)
	return profile.Merge([]*profile.Profile{after, before})
}

func (g *gateway) profile(ctx context.Context, path string) (*profile.Profile, error) {
	data, err := g.running.Get(ctx, "/debug/pprof/"+path)
	if err != nil {
		return nil, err
	}
	return profile.ParseData(data)
}

// Modules and packages that work for themselves: what they call is theirs.
const module = "github.com/tallygate/tallygate/"

var others = []string{"github.com/caddyserver/", "net/http", "golang.org/x/net/", "go.uber.org/", "github.com/dgraph-io/", "github.com/prometheus/"}

// shareOfOurs sums up the samples whose innermost function that works for itself is
// ours: with what it calls of the runtime and of the standard library.
func shareOfOurs(p *profile.Profile, sample string, a time.Duration) (figure.Figure, error) {
	index := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == sample })
	if index < 0 {
		return figure.Figure{}, fmt.Errorf("the profile has no %s", sample)
	}
	var total, ours int64
	byName := map[string]int64{}
	for _, s := range p.Sample {
		total += s.Value[index]
		if name, ok := innermost(s); ok {
			ours += s.Value[index]
			byName[name] += s.Value[index]
		}
	}
	if total == 0 {
		return figure.Figure{}, fmt.Errorf("the profile of %s is empty", sample)
	}
	percent := func(n int64) float64 { return 100 * float64(n) / float64(total) }
	var names []string
	for name := range byName {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return int(byName[b] - byName[a]) })
	var top []string
	for _, name := range names[:min(3, len(names))] {
		top = append(top, fmt.Sprintf("%s %.2g %%", strings.TrimPrefix(name, module), percent(byName[name])))
	}
	return figure.Figure{Value: percent(ours), Unit: "%", Method: fmt.Sprintf("of the %s profile of the metered gateway in %s; most: %s",
		sample, a, strings.Join(top, ", "))}, nil
}

// innermost is the function of ours that a sample is spent for, if it is one.
func innermost(s *profile.Sample) (string, bool) {
	for _, location := range s.Location {
		for _, line := range location.Line {
			name := line.Function.Name
			if strings.HasPrefix(name, module) {
				return name, true
			}
			for _, other := range others {
				if strings.HasPrefix(name, other) {
					return "", false
				}
			}
		}
	}
	return "", false
}
