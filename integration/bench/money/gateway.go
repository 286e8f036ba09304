package money

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tallygate/tallygate/integration/bench/rig"
	"github.com/tallygate/tallygate/integration/bench/subject"
	"github.com/tallygate/tallygate/integration/process"
)

// gateway is the real binary, asked over its admin API.
type gateway struct {
	running  *subject.Gateway
	accounts int
}

const caddyfile = `{
	admin %s
	auto_https off
	default_bind 127.0.0.1
	tallygate {
		ledger %[2]s/ledger
		pricebook %[2]s/prices.yaml
		timezone UTC
	}
}
http://%[3]s {
	meter {
		key header X-Api-Key
		operation recognition/op0 POST /op0
	}
	respond 200
}
`

// startGateway starts a gateway in a folder, with accounts.
func startGateway(binary, dir string, accounts int) (*gateway, error) {
	admin, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	site, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "prices.yaml"), rig.Prices, 0o644),
		os.WriteFile(filepath.Join(dir, "Caddyfile"), fmt.Appendf(nil, caddyfile, admin, dir, site), 0o644))
	if err != nil {
		return nil, err
	}
	running, err := subject.Start(binary, dir, admin)
	if err != nil {
		return nil, err
	}
	g := &gateway{running, accounts}
	var all errgroup.Group
	all.SetLimit(clientsMax)
	for i := range accounts {
		all.Go(func() error { return g.post("", map[string]string{"account": rig.ID(i)}) })
	}
	if err := all.Wait(); err != nil {
		return nil, errors.Join(err, g.stop())
	}
	return g, nil
}

func (g *gateway) stop() error {
	return g.running.Stop(time.Minute)
}

// topUp tops up an account at random.
func (g *gateway) topUp(random *rand.Rand) error {
	return g.post("/"+rig.ID(random.IntN(g.accounts))+"/topups", map[string]string{"amount": "1.00", "reference": "wire 4711"})
}

func (g *gateway) post(path string, in any) error {
	return g.running.API(context.Background(), http.MethodPost, "/accounts"+path, in, nil)
}
