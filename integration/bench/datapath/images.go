package datapath

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/load"
	"github.com/tallygate/tallygate/integration/bench/origin"
	"github.com/tallygate/tallygate/integration/bench/paired"
)

// images measures by how much an add to a search instance takes longer. Its
// intent is durable before it is forwarded, its success before it is answered.
func (p plan) images(ctx context.Context, env bench.Env, upstream string, random *rand.Rand) error {
	pair := []kind{{name: "shipped", metered: true}, {name: "tuned_caddy"}}
	return stage(env, pair, upstream, false, func(gateways []*gateway) error {
		added := 0 // through the meter
		for _, clients := range []int{1, 8} {
			env.Log("image changes, %d clients, %d rounds", clients, p.imageRounds)
			slices, warm, err := p.adds(ctx, gateways, clients, random)
			if err != nil {
				return err
			}
			added += warm + paired.Requests(slices["shipped"])
			name := "image_change_ms"
			if clients > 1 {
				name = fmt.Sprintf("image_change_ms_%d_clients", clients)
			}
			f := paired.AddedMedian(name, slices["shipped"], slices["tuned_caddy"], env.Seed)
			f.Method += fmt.Sprintf("; %d clients, adds of new pictures, 4 KB, as shipped against reverse_proxy alone; ledger and intents in the benchmark's folder", clients)
			env.Report.Add(f)
		}
		return reconcile(gateways, add, func(string) int { return added })
	})
}

// adds measures with so many clients, and returns how many adds the metered site
// saw before.
func (p plan) adds(ctx context.Context, gateways []*gateway, clients int, random *rand.Rand) (paired.Slices, int, error) {
	sites, err := connect(gateways, clients, false, load.Request{Path: origin.Add, Type: "application/x-www-form-urlencoded", Body: picture})
	if err != nil {
		return nil, 0, err
	}
	defer paired.Close(sites)
	warm, err := warm(ctx, gateways, sites, min(p.warmup, warmMin))
	if err != nil {
		return nil, 0, err
	}
	slices, err := paired.Run(ctx, sites, p.imageRounds, random)
	return slices, warm["shipped"], err
}

// pictures are numbered: every add is of a new one.
var (
	pictures atomic.Int64
	content  = "&PicContent=" + strings.Repeat("iVBORw0KGgoAAAAN", 4<<10/16)
)

func picture() []byte {
	return fmt.Appendf(nil, "InstanceName=%s&ProductId=p&PicName=%d.png%s", instance, pictures.Add(1), content)
}
