package cli

import (
	"fmt"
	"io"
	"os"
	"time"
)

// counter counts bytes on a terminal. Elsewhere it says nothing: the result has
// all of it, and a line for each step is of no use in a log.
type counter struct {
	out  io.Writer
	on   bool
	n    int64
	last time.Time
}

func newCounter(out io.Writer, quiet bool) *counter {
	return &counter{out: out, on: !quiet && isTerminal(out)}
}

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	if now := time.Now(); c.on && now.Sub(c.last) >= 100*time.Millisecond {
		c.last = now
		fmt.Fprintf(c.out, "\r\x1b[K%d MiB", c.n>>20)
	}
	return len(b), nil
}

// end leaves the line.
func (c *counter) end() {
	if c.on {
		fmt.Fprint(c.out, "\r\x1b[K")
	}
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
