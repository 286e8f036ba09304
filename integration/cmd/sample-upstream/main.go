// Sample-upstream serves the sample image service: see package upstream.
//
//	sample-upstream -listen 127.0.0.1:9000 -truth truth.jsonl
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/tallygate/tallygate/integration/upstream"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "sample-upstream:", err)
		os.Exit(1)
	}
}

func run() error {
	var config upstream.Config
	flag.StringVar(&config.Listen, "listen", "127.0.0.1:9000", "`address` to listen on; port 0 picks a free one")
	flag.BoolVar(&config.AllowRemote, "allow-remote", false, "accept an address that is not loopback")
	flag.StringVar(&config.Truth, "truth", "", "`file` to append the truth log to")
	flag.BoolVar(&config.LenientPaths, "lenient-paths", false, "serve paths in any case, with doubled slashes and dot segments")
	flag.Parse()

	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	server, err := upstream.Start(config)
	if err != nil {
		return err
	}
	fmt.Println(server.URL())
	<-stop.Done()
	return server.Close()
}
