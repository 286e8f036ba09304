package datapath

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/subject"
	"github.com/tallygate/tallygate/integration/process"
)

// gateway is a process of the binary that is measured.
type gateway struct {
	kind
	addresses
	key     string // of its account, where it is metered
	running *subject.Gateway
}

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
	var err error
	if g.running, err = subject.Start(env.Binary, dir, g.admin, k.settings.environment()...); err != nil {
		return nil, fmt.Errorf("%s: %w", k.name, err)
	}
	if k.metered {
		if err := g.openAccount(); err != nil {
			g.running.Kill()
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
