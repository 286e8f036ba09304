package money

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tallygate/tallygate/integration/bench/rig"
	"github.com/tallygate/tallygate/integration/process"
)

// gateway is the real binary, asked over its admin API.
type gateway struct {
	process  *process.Process
	url      string
	client   *http.Client
	accounts int
	next     atomic.Uint64 // idempotency keys
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
	config := filepath.Join(dir, "Caddyfile")
	err = errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "prices.yaml"), rig.Prices, 0o644),
		os.WriteFile(config, fmt.Appendf(nil, caddyfile, admin, dir, site), 0o644))
	if err != nil {
		return nil, err
	}
	command := exec.Command(binary, "run", "--config", config, "--adapter", "caddyfile")
	command.Dir = dir
	command.Env = append(os.Environ(), "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	log := filepath.Join(dir, "log")
	p, err := process.Serve(command, log, time.Minute)
	if err != nil {
		return nil, fmt.Errorf("%w; its log is %s", err, log)
	}
	g := &gateway{process: p, url: "http://" + admin + "/tallygate/accounts", accounts: accounts,
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: clientsMax}}}
	var all errgroup.Group
	all.SetLimit(clientsMax)
	for i := range accounts {
		all.Go(func() error { return g.post("", fmt.Sprintf(`{"account":%q}`, rig.ID(i))) })
	}
	if err := all.Wait(); err != nil {
		return nil, errors.Join(err, g.stop())
	}
	return g, nil
}

func (g *gateway) stop() error {
	g.client.CloseIdleConnections()
	return g.process.Stop(time.Minute)
}

// topUp tops up an account at random.
func (g *gateway) topUp(random *rand.Rand) error {
	return g.post("/"+rig.ID(random.IntN(g.accounts))+"/topups", `{"amount":"1.00","reference":"wire 4711"}`)
}

// post sends a command, under a key of its own.
func (g *gateway) post(path, body string) error {
	request, err := http.NewRequest(http.MethodPost, g.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", fmt.Sprintf("bench-%d", g.next.Add(1)))
	response, err := g.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusCreated {
		err = fmt.Errorf("%s: %s: %s", path, response.Status, answer)
	}
	return err
}
