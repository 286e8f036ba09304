package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// process is a program that the demo runs, its output in a log.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

func start(folder, name, binary string, args ...string) (*process, error) {
	p := &process{log: filepath.Join(folder, name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.Command(binary, args...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	// Ctrl-C is for the demo, which ends its programs in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", name, err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// end stops the program and waits until it has gone.
func (p *process) end() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.cmd.Process.Kill()
		<-p.done
	}
}

// waitFor returns when a URL answers 200, or a program has ended instead.
func waitFor(stop context.Context, url string, programs ...*process) error {
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		for _, p := range programs {
			select {
			case <-p.done:
				return fmt.Errorf("a program ended at its start: see %s (is another demo running, or a port taken?)", p.log)
			default:
			}
		}
		if stop.Err() != nil {
			return stop.Err()
		}
		if resp, err := http.Get(url); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
}
