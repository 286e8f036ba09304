package datapath

import (
	"context"
	"fmt"
	"net/http"
)

// The account of a metered gateway, and its search instance.
const (
	account  = "bench"
	instance = "bench"
)

// openAccount opens an account that is never refused: with money, and with an
// instance that is never full.
func (g *gateway) openAccount() error {
	var key struct{ Secret string }
	for _, c := range []struct {
		path string
		body map[string]any
		out  any
	}{
		{"", map[string]any{"account": account}, nil},
		{"/" + account + "/keys", map[string]any{"kind": "secret", "label": "bench"}, &key},
		{"/" + account + "/topups", map[string]any{"amount": "1000000.00", "reference": "bench"}, nil},
		{"/" + account + "/rows", map[string]any{"row": "bench", "max_images": 10_000_000,
			"qps": map[string]any{"search": 100_000, "delete": 100_000}, "price": "1.00"}, nil},
		{"/" + account + "/subscriptions", map[string]any{"instance": instance, "row": "bench"}, nil},
	} {
		if err := g.running.API(context.Background(), http.MethodPost, "/accounts"+c.path, c.body, c.out); err != nil {
			return err
		}
	}
	g.key = key.Secret
	return nil
}

// usage is what the ledger says of the account.
type usage struct {
	Lines     []counted
	NotBilled []counted `json:"not_billed"`
}

type counted struct {
	Operation     string
	Settled, Open int
}

// reconcile holds what the clients saw succeed at each gateway against its
// ledger. A benchmark of wrong counts would be worth nothing.
func reconcile(gateways []*gateway, operation string, succeeded func(name string) int) error {
	for _, g := range gateways {
		if !g.metered {
			continue
		}
		if err := g.reconcile(operation, succeeded(g.name)); err != nil {
			return err
		}
	}
	return nil
}

func (g *gateway) reconcile(operation string, succeeded int) error {
	var u usage
	if err := g.running.API(context.Background(), http.MethodGet, "/accounts/"+account+"/usage", nil, &u); err != nil {
		return err
	}
	n := 0
	for _, line := range u.Lines {
		if line.Operation == operation {
			n += line.Settled + line.Open
		}
	}
	if n != succeeded || len(u.NotBilled) > 0 {
		return fmt.Errorf("%s: the clients saw %d calls of %s succeed, the ledger has %d, and not billed %v",
			g.name, succeeded, operation, n, u.NotBilled)
	}
	return nil
}
