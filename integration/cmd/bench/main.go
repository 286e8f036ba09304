// Command bench measures the gateway against its budgets and prints a table,
// then a line "name: value" for each figure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tallygate/tallygate/integration/bench"
	"github.com/tallygate/tallygate/integration/bench/datapath"
	"github.com/tallygate/tallygate/integration/bench/figure"
	"github.com/tallygate/tallygate/integration/bench/inprocess"
	"github.com/tallygate/tallygate/integration/bench/money"
	"github.com/tallygate/tallygate/integration/bench/origin"
	"github.com/tallygate/tallygate/integration/bench/peers"
	"github.com/tallygate/tallygate/integration/bench/scale"
	"github.com/tallygate/tallygate/integration/bench/world"
)

// parts in the order in which they run.
var parts = []bench.Part{datapath.Part, peers.Part, inprocess.Part, money.Part, scale.Part}

type options struct {
	binary, dir string
	only        string
	short       bool
	seed        uint64
}

func main() {
	origin.Main()
	world.Main()
	var o options
	flag.StringVar(&o.binary, "gateway", "../build/tallygate", "the gateway's binary")
	flag.StringVar(&o.dir, "dir", "", "folder for ledgers and logs, kept afterwards; default a temporary one")
	flag.StringVar(&o.only, "only", "", "comma-separated parts; default all")
	flag.BoolVar(&o.short, "short", false, "one workload, fewer rounds, 100,000 accounts; names end in _100k")
	flag.Uint64Var(&o.seed, "seed", 1, "of every random choice")
	flag.Parse()
	exit(run(o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(o options) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return err
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "tallygate-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	}
	suffix := ""
	if o.short {
		suffix = "_100k"
	}
	report := figure.NewReport(suffix)
	began := time.Now()
	for _, p := range parts {
		if o.only != "" && !slices.Contains(strings.Split(o.only, ","), p.Name) {
			continue
		}
		env := bench.Env{Binary: o.binary, Dir: filepath.Join(o.dir, p.Name), Short: o.short, Seed: o.seed, Report: report,
			Log: func(format string, args ...any) {
				fmt.Fprintf(os.Stderr, "%6.1fs %s: %s\n", time.Since(began).Seconds(), p.Name, fmt.Sprintf(format, args...))
			}}
		if err := os.MkdirAll(env.Dir, 0o755); err != nil {
			return err
		}
		if err := p.Run(ctx, env); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	if err := report.Table(os.Stdout); err != nil {
		return err
	}
	fmt.Println()
	if err := report.Lines(os.Stdout); err != nil {
		return err
	}
	for _, f := range report.Missed() {
		fmt.Fprintf(os.Stderr, "missed: %s is %g, the budget is %s\n", f.Name, f.Value, f.Budget)
	}
	return nil
}
