package ledgertest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/ledger"
)

// childDir names the folder to a process that is to be killed.
const childDir = "LEDGERTEST_CHILD_DIR"

// Main is the backend's TestMain: it runs the tests or, started by Kill, commits
// the history until it is killed.
func Main(m *testing.M, open Open) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := child(dir, open); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child goes on with the history and says every step before and after it.
func child(dir string, open Open) error {
	s, err := open(dir)
	if err != nil {
		return err
	}
	n, err := foldedOf(s)
	if err != nil {
		return err
	}
	for {
		n++
		fmt.Printf("begin %d\n", n)
		if err := s.Commit(stepOf(n)); err != nil {
			return err
		}
		fmt.Printf("done %d\n", n)
	}
}

func foldedOf(s ledger.Store) (uint64, error) {
	meta, err := s.Meta()
	if errors.Is(err, ledger.ErrNotFound) {
		return 0, nil
	}
	return meta.Folded, err
}

// Kill kills a process in the middle of its commits, so often: what was
// acknowledged must be there, what was begun must be there whole or not at all.
// The backend's tests must run under Main, and this one not in parallel: a
// process that is being started holds the file locks of all others for a moment.
func Kill(t *testing.T, rounds int, open Open) {
	dir := t.TempDir()
	for round := range rounds {
		begun, done := killOnce(t, dir, 1+round*7%40)
		s, err := open(dir)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		folded, err := foldedOf(s)
		if err != nil || folded < done || folded > begun {
			t.Fatalf("round %d: steps to %d acknowledged, %d begun, %d found, %v", round, done, begun, folded, err)
		}
		if err := modelAfter(folded).compare(s); err != nil {
			t.Fatalf("round %d, after step %d: %v", round, folded, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killOnce lets a process commit some steps and kills it. It returns the last
// step that was begun and the last that was acknowledged.
func killOnce(t *testing.T, dir string, steps int) (begun, done uint64) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	var failure strings.Builder
	cmd.Stderr = &failure
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for acknowledged := 0; ; {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) && acknowledged >= steps {
			break
		}
		if err != nil {
			t.Fatalf("the child ended early: %v %v %s", err, cmd.Wait(), failure.String())
		}
		word, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.ParseUint(number, 10, 64)
		if word == "begin" {
			begun = n
			continue
		}
		done = n
		if acknowledged++; acknowledged == steps {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	return begun, done
}
