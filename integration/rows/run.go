package rows

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Bench is what rows run with.
type Bench struct {
	Root       string // the checkout
	Tests      string // the binary of the scenarios
	Gateway    string // that of the gateway
	Failpoints string // that with failpoints
	Admissions string // that with a log of admissions
}

var rowTest = regexp.MustCompile(`^TestRow(\d\d)\w*$`)

// Names are the tests of rows that there are, by the row's number.
func (b Bench) Names(ctx context.Context) (map[int]string, error) {
	c := exec.CommandContext(ctx, b.Tests, "-test.list", "^TestRow")
	c.Dir = filepath.Join(b.Root, "integration")
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("listing the rows: %w", err)
	}
	names := map[int]string{}
	for name := range strings.FieldsSeq(string(out)) {
		m := rowTest.FindStringSubmatch(name)
		if m == nil {
			return nil, fmt.Errorf("%s is no name for a row's test: TestRow, two digits, a word", name)
		}
		number, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, err
		}
		if names[number] != "" {
			return nil, fmt.Errorf("row %d has two tests, %s and %s", number, names[number], name)
		}
		names[number] = name
	}
	return names, nil
}

// Result is how a row ended.
type Result struct {
	Text   string // its line, or why there is none
	Passed bool
	Took   time.Duration
	Ended  time.Time
}

// Run runs the test of a row with more KEY=value in the environment and writes
// what it says to a log. An error means that it was broken off.
func (b Bench) Run(ctx context.Context, test, log string, env ...string) (Result, error) {
	output, err := os.Create(log)
	if err != nil {
		return Result{}, err
	}
	defer output.Close()
	line := log + ".line"
	if err := os.Remove(line); err != nil && !errors.Is(err, os.ErrNotExist) {
		return Result{}, err
	}
	defer os.Remove(line)
	began := time.Now()
	err = b.test(ctx, test, output, append(env, "TALLYGATE_ROW_FILE="+line)...)
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	result := Result{Took: time.Since(began), Ended: time.Now()}
	text, rerr := os.ReadFile(line)
	result.Text = strings.TrimSpace(string(text))
	parsed, perr := Parse(result.Text)
	switch {
	case rerr != nil:
		result.Text = fmt.Sprintf("%s: no line (%v)", test, err)
	case perr != nil:
		result.Text = perr.Error()
	default:
		result.Passed = err == nil && parsed.Clean()
	}
	return result, nil
}

func (b Bench) test(ctx context.Context, test string, output io.Writer, env ...string) error {
	c := exec.CommandContext(ctx, b.Tests, "-test.run", "^"+test+"$", "-test.v", "-test.timeout", "48h")
	c.Dir = filepath.Join(b.Root, "integration")
	c.Stdout, c.Stderr = output, output
	c.Env = append(os.Environ(), "TALLYGATE_BINARY="+b.Gateway, "TALLYGATE_FAILPOINT_BINARY="+b.Failpoints,
		"TALLYGATE_ADMISSION_BINARY="+b.Admissions)
	c.Env = append(c.Env, env...)
	// Of its own group, so that Ctrl-C reaches only the one who waits for it. It
	// dies with this thread, hence with this process, and its gateways with it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.WaitDelay = 10 * time.Second
	return c.Run()
}
