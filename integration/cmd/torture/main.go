// Command torture runs the long forms of the table of faults, rows 1 to 15, one
// after the other, and ends with a line for each. It is run as make torture.
//
// What has passed is kept in build/torture, by the gateway's build, the rounds
// and the seed: after an interruption it goes on with the row that was broken
// off. The scenarios are no part of that: after changing one, begin anew.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tallygate/tallygate/integration/rows"
)

// last is the number of the last row.
const last = 15

type options struct {
	rounds, row, seed string
	fresh             bool
}

func main() {
	var o options
	flag.StringVar(&o.rounds, "rounds", "", "no more rounds of any row than that; default: as many as each has")
	flag.StringVar(&o.row, "row", "", "rows to run, such as 6 or 1,3; default: all")
	flag.StringVar(&o.seed, "seed", "", "the seed of a run to replay; default: a new one for each row")
	flag.BoolVar(&o.fresh, "fresh", false, "begin anew, whatever has passed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	passed, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
	}
	if err != nil || !passed {
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (passed bool, err error) {
	wanted, err := o.wanted()
	if err != nil {
		return false, err
	}
	bench, err := build(ctx)
	if err != nil {
		return false, err
	}
	names, err := bench.Names(ctx)
	if err != nil {
		return false, err
	}
	store, err := open(bench, o)
	if err != nil {
		return false, err
	}
	for _, number := range wanted {
		if err := store.make(ctx, bench, o, number, names[number]); err != nil {
			return false, fmt.Errorf("row %d was broken off (%w): what has passed is kept; run it again to go on", number, err)
		}
	}
	return report(os.Stdout, bench.Root, store, wanted)
}

// wanted are the numbers of the rows to run.
func (o options) wanted() (list []int, err error) {
	for name, value := range map[string]string{"rounds": o.rounds, "seed": o.seed} {
		if n, err := strconv.ParseUint(value, 10, 63); value != "" && (err != nil || n == 0 && name == "rounds") {
			return nil, fmt.Errorf("%s %q: want a number", name, value)
		}
	}
	if o.row == "" {
		for n := range last {
			list = append(list, n+1)
		}
		return list, nil
	}
	for text := range strings.SplitSeq(o.row, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 || n > last {
			return nil, fmt.Errorf("row %q: want numbers from 1 to %d, such as 6 or 1,3", o.row, last)
		}
		list = append(list, n)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// build makes binaries of its own, so that another build in the meantime does
// not replace them.
func build(ctx context.Context) (b rows.Bench, err error) {
	if b.Root, err = rows.Root(); err != nil {
		return b, err
	}
	folder := filepath.Join(b.Root, "build", "torture", "bin")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return b, err
	}
	fmt.Println("building the gateway and the scenarios")
	for _, g := range []struct {
		into *string
		name string
		tags []string
	}{
		{&b.Gateway, "tallygate", nil},
		{&b.Failpoints, "tallygate-failpoints", []string{rows.Failpoints}},
		{&b.Admissions, "tallygate-admissions", []string{rows.AdmissionLog}},
	} {
		*g.into = filepath.Join(folder, g.name)
		if err := rows.Gateway(ctx, b.Root, *g.into, "", g.tags...); err != nil {
			return b, err
		}
	}
	b.Tests = filepath.Join(folder, "scenarios")
	return b, rows.Tests(ctx, b.Root, b.Tests)
}
