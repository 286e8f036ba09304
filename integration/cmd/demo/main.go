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

// options say what runs where. The defaults are those of Caddyfile.example.
type options struct {
	gateway, upstream string // binaries
	config            string // Caddyfile
	data              string // folder
	site, admin       string // the gateway's addresses
	listen            string // the upstream's address
}

func main() {
	var o options
	flag.StringVar(&o.gateway, "gateway", "build/tallygate", "the gateway's `binary`")
	flag.StringVar(&o.upstream, "upstream", "build/sample-upstream", "the sample upstream's `binary`")
	flag.StringVar(&o.config, "config", "Caddyfile.example", "the `Caddyfile`")
	flag.StringVar(&o.data, "data", "data", "the `folder` of keys, pictures and logs; the Caddyfile says where the ledger is")
	flag.StringVar(&o.site, "site", "127.0.0.1:8080", "the gateway's `address` in the Caddyfile")
	flag.StringVar(&o.admin, "admin", "127.0.0.1:2019", "the admin `address` in the Caddyfile")
	flag.StringVar(&o.listen, "listen", "127.0.0.1:9000", "the upstream's `address` in the Caddyfile")
	flag.Parse()
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(stop, o); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(stop context.Context, o options) error {
	d := demo{options: o, dir: filepath.Join(o.data, "demo")}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	up, err := start(o.data, "upstream", o.upstream, "-listen", o.listen, "-truth", filepath.Join(o.data, "upstream.truth"))
	if err != nil {
		return err
	}
	defer up.end()
	gw, err := start(o.data, "gateway", o.gateway, "run", "--config", o.config, "--adapter", "caddyfile")
	if err != nil {
		return err
	}
	defer gw.end()
	for _, url := range []string{"http://" + o.listen + "/healthz", d.api("/status"), d.call("/healthz")} {
		if err := waitFor(stop, url, up, gw); err != nil {
			return err
		}
	}
	if err := d.prepare(stop); err != nil {
		return err
	}
	d.explain(os.Stdout)
	select {
	case <-stop.Done():
		fmt.Println("\nstopping; the ledger stays for the next time")
		return nil
	case <-up.done:
		return fmt.Errorf("the upstream ended: see %s", up.log)
	case <-gw.done:
		return fmt.Errorf("the gateway ended: see %s", gw.log)
	}
}
