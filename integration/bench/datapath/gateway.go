package datapath

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/process"
)

// gateway is a process of the binary that is measured.
type gateway struct {
	kind
	addresses
	key     string // of its account, where it is metered
	process *process.Process
}

// startMax bounds how long a gateway may take to serve.
const startMax = time.Minute

// shipped reads a file of the repository in whose build folder the binary lies.
func shipped(env bench.Env, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(env.Binary), "..", name))
	if err != nil {
		return "", fmt.Errorf("what the binary ships with: %w", err)
	}
	return string(text), nil
}

// start runs a gateway of a kind in a folder of its own.
func start(env bench.Env, k kind, dir, upstream string, h2 bool) (*gateway, error) {
	g := &gateway{kind: k, addresses: addresses{upstream: upstream}}
	if err := g.configure(env, dir, h2); err != nil {
		return nil, err
	}
	cmd := exec.Command(env.Binary, "run", "--config", "Caddyfile", "--adapter", "caddyfile")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir)
	cmd.Env = append(cmd.Env, k.settings.environment()...)
	log := filepath.Join(dir, "gateway.log")
	p, err := process.Serve(cmd, log, startMax)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w; see %s", k.name, err, log)
	}
	g.process = p
	if k.metered {
		if err := g.openAccount(); err != nil {
			p.Kill()
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return g, nil
}

// configure writes the gateway's files.
func (g *gateway) configure(env bench.Env, dir string, h2 bool) (err error) {
	for _, address := range []*string{&g.site, &g.admin} {
		if *address, err = process.FreeAddress(); err != nil {
			return err
		}
	}
	example, err := shipped(env, "Caddyfile.example")
	if err != nil {
		return err
	}
	config, err := caddyfile(example, g.kind, g.addresses, h2)
	if err != nil {
		return err
	}
	prices, err := shipped(env, "pricebook.yaml")
	if err != nil {
		return err
	}
	book, err := priceBook(prices)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{"Caddyfile": config, "pricebook.yaml": book} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
