package caddymodule

import (
	"context"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// A reload that is rejected before the app is provisioned leaves the admin
// endpoint with the rejected configuration's registry.
func TestMetricsOutliveARejectedReload(t *testing.T) {
	t.Parallel()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	module, ok := admin{}.CaddyModule().New().(caddy.Provisioner)
	if !ok {
		t.Fatal("the admin routes are not provisioned")
	}
	for range 2 { // by the admin routes, and by the app after them
		if err := module.Provision(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if !ctx.GetMetricsRegistry().Unregister(collector{}) {
		t.Error("the registry has no metrics of the gateway")
	}
}
