// Package process runs programs for tests and benchmarks: the gateway, and what
// it is compared with. The kernel ends them with the process that started them,
// however that ends. It runs on Linux only.
package process

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Process is one run of a program.
type Process struct {
	PID   int
	cmd   *exec.Cmd
	ended chan struct{} // closed after err is set
	err   error
}

// confirmation is what Caddy echoes to --pingback once it serves.
const confirmation = "the gateway serves"

// ErrPatience: the process was killed before it served.
var ErrPatience = errors.New("the process did not serve within")

// Serve runs a Caddy with its output appended to a log file, and returns when it
// confirms that its configuration is up.
func Serve(cmd *exec.Cmd, log string, patience time.Duration) (*Process, error) {
	pings, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer pings.Close()
	cmd.Args = append(cmd.Args, "--pingback", pings.Addr().String())
	cmd.Stdin = strings.NewReader(confirmation)
	p, err := Launch(cmd, log)
	if err != nil {
		return nil, err
	}
	serves := make(chan struct{})
	go awaitConfirmation(pings, serves)
	select {
	case <-serves:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("the process ended before it served: %w", p.Failure())
	case <-time.After(patience):
		p.Kill()
		return nil, fmt.Errorf("%w %s", ErrPatience, patience)
	}
}

// Launch runs a command with its output appended to a log file.
func Launch(cmd *exec.Cmd, log string) (*Process, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	return p, p.launch()
}

// launch starts the command on a thread of its own that lives as long as the
// process does: the kernel kills the process when that thread dies, and so
// with the test process, however that ends.
func (p *Process) launch() error {
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	p.PID = p.cmd.Process.Pid
	return nil
}

// awaitConfirmation ends, at the latest, when the listener is closed.
func awaitConfirmation(pings net.Listener, serves chan<- struct{}) {
	conn, err := pings.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	if text, err := io.ReadAll(conn); err == nil && string(text) == confirmation {
		close(serves)
	}
}

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Kill sends SIGKILL and waits for the end.
func (p *Process) Kill() {
	// The only error is that it has ended already.
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// Stop sends SIGTERM and waits. It is an error if the process ends with one, or has to
// be killed.
func (p *Process) Stop(patience time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping the process: %w", err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.Kill()
		return fmt.Errorf("the process did not stop within %s and was killed", patience)
	}
	if p.err != nil {
		return fmt.Errorf("the process stopped with an error: %w", p.err)
	}
	return nil
}

// Failure is why a process ended that should not have.
func (p *Process) Failure() error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}
