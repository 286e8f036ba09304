package cli

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// failed prints an error and ends the process with a status, where cobra knows 1
// only.
func failed(cmd *cobra.Command, status int, err error) error {
	if status == 1 {
		return err
	}
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	fmt.Fprintln(cmd.ErrOrStderr(), "Error:", plain(err.Error()))
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return status, nil })(cmd, nil)
}

// quietLog says what a gateway would log, where something is wrong.
func quietLog(out io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// steps shows on a terminal how far a long command has come.
type steps struct {
	out  io.Writer
	on   bool
	last time.Time
}

func newSteps(out io.Writer, quiet bool) *steps {
	return &steps{out: out, on: !quiet && isTerminal(out)}
}

// show is a service.Progress. A total of 0 is not known.
func (s *steps) show(step string, done, total uint64) {
	now := time.Now()
	if !s.on || now.Sub(s.last) < 100*time.Millisecond {
		return
	}
	s.last = now
	of := ""
	if total > 0 {
		of = fmt.Sprintf(" of %d, %d%%", total, percent(done, total))
	}
	fmt.Fprintf(s.out, "\r\x1b[K%s: %d%s", step, done, of)
}

// end leaves the line.
func (s *steps) end() {
	if s.on {
		fmt.Fprint(s.out, "\r\x1b[K")
	}
}
