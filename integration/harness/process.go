package harness

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

// process is one run of the gateway.
type process struct {
	pid   int
	cmd   *exec.Cmd
	ended chan struct{} // closed after err is set
	err   error
}

// confirmation is what Caddy echoes to --pingback once it serves.
const confirmation = "the gateway serves"

// errPatience: the process was killed before it served.
var errPatience = errors.New("the process did not serve within")

// startProcess runs a command with its output appended to a log file, and
// returns when Caddy confirms that its configuration is up.
func startProcess(cmd *exec.Cmd, log string, patience time.Duration) (*process, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	pings, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer pings.Close()
	cmd.Args = append(cmd.Args, "--pingback", pings.Addr().String())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(confirmation), output, output

	p := &process{cmd: cmd, ended: make(chan struct{})}
	if err := p.launch(); err != nil {
		return nil, err
	}
	serves := make(chan struct{})
	go awaitConfirmation(pings, serves)
	select {
	case <-serves:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("the process ended before it served: %w", p.failure())
	case <-time.After(patience):
		p.kill()
		return nil, fmt.Errorf("%w %s", errPatience, patience)
	}
}

// launch starts the command on a thread of its own that lives as long as the
// process does: the kernel kills the process when that thread dies, and so
// with the test process, however that ends.
func (p *process) launch() error {
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
	p.pid = p.cmd.Process.Pid
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

func (p *process) kill() {
	// The only error is that it has ended already.
	_ = p.cmd.Process.Kill()
	<-p.ended
}

func (p *process) stop(patience time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping the gateway: %w", err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.kill()
		return fmt.Errorf("the gateway did not stop within %s and was killed", patience)
	}
	if p.err != nil {
		return fmt.Errorf("the gateway stopped with an error: %w", p.err)
	}
	return nil
}

// failure is why a process ended that should not have.
func (p *process) failure() error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}
