package world

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
)

// Verb is the first argument of a process that runs Main.
const Verb = "world"

// Work is what a process does to a ledger.
type Work struct {
	Dir      string
	Accounts int
	Fill     bool // open the accounts
	Hours    int  // let so many hours pass in which a tenth of the accounts call, and the first ones in each
	Call     bool // let every account call in the hour that is open, and end by kill -9
}

// Main does the work that its arguments name, in a process of its own: a kill -9
// in the middle of an hour is a real one.
func Main(args []string) error {
	var w Work
	f := flag.NewFlagSet(Verb, flag.ContinueOnError)
	f.StringVar(&w.Dir, "dir", "", "")
	f.IntVar(&w.Accounts, "accounts", 0, "")
	f.BoolVar(&w.Fill, "fill", false, "")
	f.IntVar(&w.Hours, "hours", 0, "")
	f.BoolVar(&w.Call, "call", false, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	debug.SetGCPercent(400)
	return w.do()
}

func (work Work) do() error {
	w, err := Open(work.Dir, work.Accounts, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		return err
	}
	if work.Fill {
		if err := w.Fill(func(int) {}); err != nil {
			return err
		}
	}
	if err := w.pass(work.Hours); err != nil {
		return err
	}
	if !work.Call {
		return w.Close(context.Background())
	}
	if err := w.Call(0, 1, Tagging, Detection); err != nil {
		return err
	}
	time.Sleep(time.Second) // the counts reach the disk
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// pass lets hours pass in which some accounts call.
func (w *World) pass(hours int) error {
	for hour := range hours {
		if err := errors.Join(w.Call(hour%tenths, tenths, Tagging, Detection), w.callFirst(hour%tenths)); err != nil {
			return err
		}
		if err := w.Advance(context.Background(), w.Now().Add(time.Hour)); err != nil {
			return err
		}
	}
	return nil
}

// Run starts this program again as the worker and waits for its end.
func (work Work) Run(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, Verb, "-dir", work.Dir, "-accounts", strconv.Itoa(work.Accounts),
		"-fill="+strconv.FormatBool(work.Fill), "-hours", strconv.Itoa(work.Hours), "-call="+strconv.FormatBool(work.Call))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	var ended *exec.ExitError
	if work.Call && errors.As(err, &ended) && ended.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return ctx.Err() // it has killed itself
	}
	if err == nil && work.Call {
		err = errors.New("it ended before its kill")
	}
	if err != nil {
		return fmt.Errorf("filling the ledger in %s: %w", work.Dir, err)
	}
	return nil
}
