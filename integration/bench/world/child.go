package world

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime/debug"
	"syscall"
	"time"
)

// Work is what a process does to a ledger.
type Work struct {
	Dir      string
	Accounts int
	Fill     bool // open the accounts
	Hours    int  // let so many hours pass in which a tenth of the accounts call, and the first ones in each
	Call     bool // let every account call in the hour that is open, and end by kill -9
}

// workVariable of the environment is the JSON of a Work that this process is to do.
const workVariable = "TALLYGATE_BENCH_WORK"

// Main does its work and ends where this process is a worker; elsewhere it does
// nothing. A process of its own is killed in the middle of an hour for real.
func Main() {
	text := os.Getenv(workVariable)
	if text == "" {
		return
	}
	var w Work
	err := json.Unmarshal([]byte(text), &w)
	if err == nil {
		debug.SetGCPercent(400)
		err = w.do()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
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
	text, err := json.Marshal(work)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), workVariable+"="+string(text))
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
