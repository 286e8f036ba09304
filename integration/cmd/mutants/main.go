// Command mutants breaks the gateway on purpose, one way after the other, and
// runs the rows of the table of faults that should notice, in a short form. It
// prints which row caught which mutant, and fails where one survives. It is run
// as make mutants.
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

	"github.com/tallygate/tallygate/integration/rows"
)

func main() {
	name := flag.String("mutant", "", "run only mutants whose name has this in it; default: all")
	seed := flag.String("seed", "", "the seed of a run to replay; default: new ones")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *name, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name, seed string) error {
	var chosen []mutant
	for _, m := range mutants {
		if strings.Contains(m.name, name) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no mutant has %q in its name", name)
	}
	w, err := newWorkshop(ctx, seed)
	if err != nil {
		return err
	}
	if err := w.control(ctx, chosen); err != nil {
		return err
	}
	var report []string
	survived := 0
	for _, m := range chosen {
		verdict, caught, err := w.try(ctx, m)
		if err != nil {
			return fmt.Errorf("mutant %q: %w", m.name, err)
		}
		if !caught {
			survived++
		}
		report = append(report, fmt.Sprintf("mutant %q: %s", m.name, verdict))
		fmt.Println(report[len(report)-1])
	}
	fmt.Printf("\n%s\n", strings.Join(report, "\n"))
	if survived > 0 {
		return fmt.Errorf("%d of %d mutants were not caught; logs are in %s", survived, len(chosen), w.folder)
	}
	return nil
}

// workshop is where mutants are built and tried.
type workshop struct {
	bench  rows.Bench
	folder string
	names  map[int]string // tests by row
	seed   string
}

func newWorkshop(ctx context.Context, seed string) (w workshop, err error) {
	if w.bench.Root, err = rows.Root(); err != nil {
		return w, err
	}
	w.seed, w.folder = seed, filepath.Join(w.bench.Root, "build", "mutants")
	if err := os.MkdirAll(w.folder, 0o755); err != nil {
		return w, err
	}
	w.bench.Tests = filepath.Join(w.folder, "scenarios")
	fmt.Println("building the scenarios")
	if err := rows.Tests(ctx, w.bench.Root, w.bench.Tests); err != nil {
		return w, err
	}
	w.names, err = w.bench.Names(ctx)
	return w, err
}

// build builds the gateway, mutated or not, as what every scenario asks for.
func (w *workshop) build(ctx context.Context, m mutant) error {
	overlay, err := m.overlay(w.bench.Root, w.folder)
	if err != nil {
		return err
	}
	path := filepath.Join(w.folder, "tallygate")
	w.bench.Gateway, w.bench.Failpoints, w.bench.Admissions = path, path, path
	return rows.Gateway(ctx, w.bench.Root, path, overlay, rows.Failpoints, rows.AdmissionLog)
}

// control: the gateway as it is passes what catches its mutants.
func (w *workshop) control(ctx context.Context, chosen []mutant) error {
	fmt.Println("the gateway as it is")
	if err := w.build(ctx, mutant{}); err != nil {
		return err
	}
	all := map[int]short{}
	for _, m := range chosen {
		for _, s := range m.caughtBy {
			all[s.row] = all[s.row].with(s)
		}
	}
	for _, row := range slices.Sorted(func(yield func(int) bool) {
		for n := range all {
			if w.names[n] != "" && !yield(n) {
				return
			}
		}
	}) {
		r, log, err := w.run(ctx, "control", all[row])
		if err != nil {
			return err
		}
		if fmt.Println(r.Text); !r.Passed {
			return fmt.Errorf("the gateway as it is does not pass row %d: nothing can be said of mutants; see %s", row, log)
		}
	}
	return nil
}

// try builds a mutant and runs its rows until one fails.
func (w *workshop) try(ctx context.Context, m mutant) (verdict string, caught bool, err error) {
	var there []short
	var passed, missing []string
	for _, s := range m.caughtBy {
		if w.names[s.row] == "" {
			missing = append(missing, fmt.Sprintf("row %d is missing", s.row))
		} else {
			there = append(there, s)
		}
	}
	if len(there) > 0 {
		if err := w.build(ctx, m); err != nil {
			return "", false, err
		}
	}
	for _, s := range there {
		r, _, err := w.run(ctx, m.name, s)
		if err != nil {
			return "", false, err
		}
		if !r.Passed {
			return fmt.Sprintf("caught by row %d (%s)", s.row, figures(r)), true, nil
		}
		passed = append(passed, fmt.Sprintf("row %d passed", s.row))
	}
	return "NOT CAUGHT: " + strings.Join(append(passed, missing...), ", "), false, nil
}

// longest is how long a row may run. One that takes longer has noticed something.
const longest = 4 * time.Minute

var errTooLong = fmt.Errorf("did not end within %s", longest)

// run runs a row in a short form.
func (w *workshop) run(ctx context.Context, of string, s short) (r rows.Result, log string, err error) {
	bounded, cancel := context.WithTimeoutCause(ctx, longest, errTooLong)
	defer cancel()
	log = filepath.Join(w.folder, fmt.Sprintf("%s row %d.log", of, s.row))
	r, err = w.bench.Run(bounded, w.names[s.row], log, append(s.env(), "TALLYGATE_LONG=", "TALLYGATE_SEED="+w.seed,
		"TALLYGATE_ADMISSION_LOG="+os.DevNull)...)
	if errors.Is(err, errTooLong) {
		return rows.Result{Text: err.Error()}, log, nil
	}
	return r, log, err
}

// figures are what a failed row found.
func figures(r rows.Result) string {
	l, err := rows.Parse(r.Text)
	if err != nil {
		return r.Text
	}
	return l.Figures()
}
