// Demo runs the whole of it: the sample upstream, the gateway as
// Caddyfile.example configures it, and four demo accounts, made at the first run.
// It prints what to try, and stays until it is interrupted. Its ledger stays too.
//
//	demo -gateway build/tallygate -upstream build/sample-upstream
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

const (
	gatewayURL = "http://127.0.0.1:8080"
	adminURL   = "http://127.0.0.1:2019/tallygate"
	dataDir    = "data"
)

func main() {
	gateway := flag.String("gateway", "build/tallygate", "the gateway's `binary`")
	upstream := flag.String("upstream", "build/sample-upstream", "the sample upstream's `binary`")
	config := flag.String("config", "Caddyfile.example", "the `Caddyfile`")
	flag.Parse()
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(stop, *gateway, *upstream, *config); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(stop context.Context, gateway, upstream, config string) error {
	if err := os.MkdirAll(filepath.Join(dataDir, "demo"), 0o700); err != nil {
		return err
	}
	up, err := start("upstream", upstream, "-truth", filepath.Join(dataDir, "upstream.truth"))
	if err != nil {
		return err
	}
	defer up.end()
	gw, err := start("gateway", gateway, "run", "--config", config, "--adapter", "caddyfile")
	if err != nil {
		return err
	}
	defer gw.end()
	for name, url := range map[string]string{"upstream": "http://127.0.0.1:9000/healthz", "gateway": adminURL + "/status"} {
		if err := waitFor(stop, name, url, up, gw); err != nil {
			return err
		}
	}
	d := demo{admin: adminURL, dir: filepath.Join(dataDir, "demo")}
	if err := d.prepare(stop); err != nil {
		return err
	}
	d.explain(os.Stdout)
	select {
	case <-stop.Done():
		fmt.Println("\nstopping; the ledger stays in", filepath.Join(dataDir, "ledger"))
		return nil
	case <-up.done:
		return fmt.Errorf("the upstream ended: see %s", up.log)
	case <-gw.done:
		return fmt.Errorf("the gateway ended: see %s", gw.log)
	}
}
